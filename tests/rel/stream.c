/*
 * The streams, and a list's JSON.
 */
#include "stream.h"

#include "rel.h"
#include "test.h"

#include <jansson.h>
#include <unistd.h>

#define USERS      40
#define CATALOGUE  60
#define TASTES     4
#define NOISE      5 /* one click in so many is on any item */
#define MOVIE_TOOL "../shared/tools/movie_lists.py"

bool stream_open_movies(struct stream *stream, size_t n)
{
    char command[128];

    *stream = (struct stream){.random = 1};
    if (access(MOVIE_TOOL, R_OK) == 0 && system("python3 -c '' 2>/dev/null") == 0) {
        (void)snprintf(command, sizeof command, "python3 %s --limit %zu", MOVIE_TOOL, n);
        stream->movies = popen(command, "re");
    }
    return stream->movies != NULL;
}

void stream_open_planted(struct stream *stream, size_t n, uint64_t seed)
{
    *stream = (struct stream){.left = n, .random = seed};
}

void stream_close(struct stream *stream)
{
    if (stream->movies != NULL) {
        (void)pclose(stream->movies);
    }
    *stream = (struct stream){0};
}

/* One item of the user's taste among nine others. */
static void plant(uint64_t *random, struct stream_list *list)
{
    const unsigned who = (unsigned)rel_below(random, USERS);
    bool taken[CATALOGUE] = {false};

    (void)snprintf(list->user, sizeof list->user, "u%u", who);
    list->clicked = (int)rel_below(random, STREAM_ITEMS);
    for (int n = 0; n < STREAM_ITEMS;) {
        const unsigned item = (unsigned)rel_below(random, CATALOGUE);
        const bool liked = item % TASTES == who % TASTES;
        if (taken[item] || liked != (n == list->clicked)) {
            continue;
        }
        taken[item] = true;
        (void)snprintf(list->item[n++], sizeof list->item[0], "i%u", item);
    }
    if (rel_below(random, NOISE) == 0) {
        list->clicked = (int)rel_below(random, STREAM_ITEMS);
    }
}

static bool read_movies(FILE *movies, struct stream_list *list)
{
    char line[1024];
    json_t *json;
    const char *clicked;

    if (fgets(line, sizeof line, movies) == NULL) {
        return false;
    }
    json = json_loads(line, 0, NULL);
    clicked = json_string_value(json_object_get(json, "clicked"));
    assert_non_null(clicked);
    (void)snprintf(list->user, sizeof list->user, "%s",
                   json_string_value(json_object_get(json, "user")));
    for (int i = 0; i < STREAM_ITEMS; i++) {
        const json_t *item = json_array_get(json_object_get(json, "items"), (size_t)i);
        (void)snprintf(list->item[i], sizeof list->item[i], "%s", json_string_value(item));
        if (strcmp(list->item[i], clicked) == 0) {
            list->clicked = i;
        }
    }
    json_decref(json);
    return true;
}

bool stream_next(struct stream *stream, struct stream_list *list)
{
    if (stream->movies != NULL) {
        return read_movies(stream->movies, list);
    }
    if (stream->left == 0) {
        return false;
    }
    stream->left--;
    plant(&stream->random, list);
    return true;
}

/* From half of the number to all of it, on either side of 0. */
static double draw(double number, uint64_t *random)
{
    const double size = number * (0.5 + 0.5 * (double)rel_below(random, 1001) / 1000);

    return rel_below(random, 2) == 0 ? size : -size;
}

static void write_item(const struct stream_list *list, int i, const struct stream_shape *shape,
                       uint64_t *random, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "id");
    emit_string(out, list->item[i]);
    if (shape->number > 0) {
        emit_key(out, "features");
        emit_open(out, '{');
        emit_key(out, "x");
        emit_double(out, draw(shape->number, random));
        emit_close(out, '}');
    }
    emit_key(out, "label");
    emit_integer(out, (i == list->clicked) != shape->flipped);
    if (shape->weight > 0) {
        emit_key(out, "weight");
        emit_double(out, shape->weight);
    }
    emit_close(out, '}');
}

void stream_write(const struct stream_list *list, const struct stream_shape *shape,
                  uint64_t *random, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "user");
    emit_open(out, '{');
    emit_key(out, "id");
    emit_string(out, list->user);
    emit_close(out, '}');
    emit_key(out, "items");
    emit_open(out, '[');
    for (int i = 0; i < STREAM_ITEMS; i++) {
        write_item(list, i, shape, random, out);
    }
    emit_close(out, ']');
    emit_close(out, '}');
}
