/*
 * Reading lists: the reader of request bodies beside jansson's tree, of which nothing is even used.
 */
#include "bench.h"
#include "json.h"
#include "list.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BYTES (8 << 20) /* read in a round */

struct reading {
    char *text;
    size_t n;
    size_t times; /* the text is read in a round */
    struct list list;
    uint64_t sum;
};

static void read_list(void *context, size_t round)
{
    struct reading *r = context;
    const struct list_rules rules = {0};

    (void)round;
    for (size_t i = 0; i < r->times; i++) {
        struct problem problem = {0};
        struct pull pull;
        bench_need(pull_begin(&pull, r->text, r->n, &r->list.memory, &problem) &&
                       list_read(&pull, &rules, &r->list) && pull_end(&pull),
                   "a list is refused");
        r->sum += r->list.n_features;
    }
}

static void parse_tree(void *context, size_t round)
{
    struct reading *r = context;

    (void)round;
    for (size_t i = 0; i < r->times; i++) {
        struct problem problem = {0};
        struct json_document document = {0};
        struct json_node root;
        bench_need(json_parse(r->text, r->n, (size_t)1 << 30, &document, &root, &problem),
                   "a list is no JSON");
        r->sum += json_count(&root);
        json_close(&document);
    }
}

/* Ids alone, or with 8 features of the kinds that requests have. */
static void write_items(FILE *out, size_t items, bool inline_features)
{
    for (size_t i = 0; i < items; i++) {
        (void)fprintf(out, i > 0 ? "," : "");
        if (!inline_features) {
            (void)fprintf(out, "\"item-%06zu\"", i * 37);
            continue;
        }
        (void)fprintf(out,
                      "{\"id\":\"item-%06zu\",\"features\":{\"brand\":\"brand-%zu\",\"category\":"
                      "\"shoes\",\"price\":%zu.99,\"rating\":4.%zu,\"new\":%s,\"colour\":\"c%zu\","
                      "\"stock\":%zu,\"tags\":[\"sale\"]}}",
                      i * 37, i % 50, 10 + i % 200, i % 10, i % 3 == 0 ? "true" : "false", i % 12,
                      i % 1000);
    }
}

static struct reading make(size_t items, bool inline_features)
{
    struct reading r = {0};
    FILE *out = open_memstream(&r.text, &r.n);

    bench_need(out != NULL, "out of memory");
    (void)fprintf(out, "{\"user\":{\"id\":\"u1\",\"features\":{\"age\":31,\"country\":\"de\"}},"
                       "\"context\":{\"hour\":20,\"device\":\"phone\"},\"items\":[");
    write_items(out, items, inline_features);
    (void)fprintf(out, "]}");
    bench_need(fclose(out) == 0, "out of memory");
    r.times = 1 + BYTES / r.n;
    return r;
}

int main(void)
{
    static const struct {
        size_t items;
        bool inline_features;
        const char *what;
    } shapes[] = {{1000, false, "1,000 ids"},
                  {100, true, "100 items x 8 features"},
                  {1000, true, "1,000 items x 8 features"}};

    json_start();
    bench_title("Reading a list, bytes a second: 1e9 is 1 GB/s");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct reading r = make(shapes[i].items, shapes[i].inline_features);
        const double bytes = (double)(r.n * r.times);
        char name[80];
        struct bench_row row = {
            name, CLOCK_PROCESS_CPUTIME_ID, BENCH_PER_SECOND, read_list, parse_tree, bytes, bytes};
        (void)snprintf(name, sizeof name, "%s / jansson's tree alone", shapes[i].what);
        bench_run(&row, &r);
        list_deinit(&r.list);
        free(r.text);
    }
    return 0;
}
