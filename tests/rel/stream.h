/*
 * Lists of ten items with one click each: the movie stream, where its script is there, or tastes that
 * are planted. Written as labelled lists, healthy or not.
 */
#ifndef RANKD_STREAM_H
#define RANKD_STREAM_H

#include "emit.h"

#include <stdbool.h>
#include <stdio.h>

#define STREAM_ITEMS 10

struct stream_list {
    char user[16];
    char item[STREAM_ITEMS][16];
    int clicked;
};

struct stream {
    FILE *movies; /* NULL: tastes are planted */
    size_t left;  /* lists, where they are */
    uint64_t random;
};

/* Opens the first n lists of the movie stream. @return false: it is not to be had here. */
bool stream_open_movies(struct stream *stream, size_t n);

/* n lists of 40 users, each of whom clicks on what one quarter of 60 items is, four times of five. */
void stream_open_planted(struct stream *stream, size_t n, uint64_t seed);

void stream_close(struct stream *stream);

/* The next list. @return false: there are no more. */
bool stream_next(struct stream *stream, struct stream_list *list);

/* How a list is written. */
struct stream_shape {
    double number; /* every item has a feature x, up to so far from 0; 0: none has */
    double weight; /* of every item; 0: not said */
    bool flipped;  /* what was clicked is labelled 0, and all else 1 */
};

/* Writes a labelled list. @param random  of the numbers. */
void stream_write(const struct stream_list *list, const struct stream_shape *shape,
                  uint64_t *random, struct emit *out);

#endif
