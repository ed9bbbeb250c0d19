/*
 * Reading a text as a data file.
 */
#include "datafile_fixture.h"

#include "test.h"

int datafile_setup(void **state)
{
    struct datafile_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    temp_folder_make(&f->folder);
    temp_folder_path(&f->folder, "lists", f->path);
    temp_folder_path(&f->folder, "lists.query", f->sizes);
    assert_ok(rk_model_default("fm", &f->config, NULL));
    f->config.features = (struct rk_space){.kind = RK_INDEXED, .size = 10};
    f->options = (struct datafile_options){.path = f->path, .config = &f->config};
    *state = f;
    return 0;
}

int datafile_teardown(void **state)
{
    struct datafile_fixture *f = *state;

    datafile_close(&f->data);
    temp_folder_remove(&f->folder);
    free(f);
    return 0;
}

enum rk_status datafile_read_text(struct datafile_fixture *f, const char *text)
{
    temp_file_write(f->path, text, strlen(text));
    datafile_close(&f->data);
    f->err = (struct rk_error){0};
    f->place = (struct datafile_place){.line = 999};
    return datafile_read(&f->options, &f->data, &f->place, &f->err);
}

void assert_datafile_read(struct datafile_fixture *f, const char *text)
{
    if (datafile_read_text(f, text) != RK_OK) {
        fail_msg("line %zu: %s", f->place.line, f->err.text);
    }
}

void assert_datafile_refused(struct datafile_fixture *f, const char *text, size_t line,
                             const char *words)
{
    const enum rk_status status = datafile_read_text(f, text);

    if (status != RK_INVALID || f->place.line != line || strstr(f->err.text, words) == NULL) {
        fail_msg("\"%s\" gives %s at line %zu: %s", text, rk_status_text(status), f->place.line,
                 f->err.text);
    }
    assert_int_equal(f->data.n, 0);
    assert_null(f->data.group);
}

void assert_datafile_row(const struct rk_group *group, size_t row, const double *pairs, size_t n)
{
    const size_t start = group->offset[row];

    assert_int_equal(group->offset[row + 1] - start, n);
    for (size_t i = 0; i < n; i++) {
        assert_close(group->index[start + i], pairs[2 * i], 0, 0);
        assert_close((double)group->value[start + i], pairs[2 * i + 1], 1e-7, 0);
    }
}

static void assert_same_group(const struct rk_group *a, const struct rk_group *b, bool with_ids)
{
    const size_t nnz = a->offset[a->n_items + 1];

    assert_int_equal(a->n_items, b->n_items);
    assert_memory_equal(a->offset, b->offset, (a->n_items + 2) * sizeof *a->offset);
    if (with_ids) {
        assert_memory_equal(a->id, b->id, (a->n_items + 1) * sizeof *a->id);
    }
    assert_memory_equal(a->label, b->label, a->n_items * sizeof *a->label);
    assert_memory_equal(a->weight, b->weight, a->n_items * sizeof *a->weight);
    assert_int_equal(a->n_numbers, b->n_numbers);
    if (nnz > 0) {
        assert_memory_equal(a->index, b->index, nnz * sizeof *a->index);
        assert_memory_equal(a->value, b->value, nnz * sizeof *a->value);
        assert_memory_equal(a->name, b->name, nnz * sizeof *a->name);
    }
    if (a->n_numbers > 0) {
        assert_memory_equal(a->number, b->number, a->n_numbers * sizeof *a->number);
    }
}

void assert_datafile_same(struct datafile_fixture *f, const char *csv,
                          const struct datafile_columns *columns, const char *other)
{
    struct datafile first;

    f->options.columns = *columns;
    assert_datafile_read(f, csv);
    first = f->data;
    f->data = (struct datafile){0};
    f->options.columns = (struct datafile_columns){0};
    assert_datafile_read(f, other);
    assert_int_equal(first.n, f->data.n);
    assert_int_equal(first.items, f->data.items);
    for (size_t g = 0; g < first.n; g++) {
        assert_same_group(first.group[g], f->data.group[g], columns->item != NULL);
    }
    datafile_close(&first);
}
