/*
 * The progress line.
 */
#include "progress.h"

#include "clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_NS      INT64_C(200000000)
#define LINE_MAX_BYTES 80 /* of a terminal's width */

void progress_start(struct progress *progress, const char *what, const char *unit, uint64_t total)
{
    *progress = (struct progress){.what = what,
                                  .unit = unit,
                                  .total = total,
                                  .start_ns = clock_monotonic_ns(),
                                  .on_terminal = isatty(STDERR_FILENO) == 1};
    progress->drawn_ns = progress->start_ns; /* what is over at once draws nothing */
}

/* "12.3M": three figures are enough for a rate or an amount. */
static void shorten(double number, char *text, size_t n)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    size_t p = 0;

    while (number >= 1000 && p + 1 < sizeof prefixes / sizeof *prefixes) {
        number /= 1000;
        p++;
    }
    (void)snprintf(text, n, "%.*f%s", p > 0 && number < 100 ? 1 : 0, number, prefixes[p]);
}

void progress_line(const struct progress *progress, double seconds, char *line, size_t n)
{
    const double rate = seconds > 0 ? (double)progress->done / seconds : 0;
    char done[16], per_second[16], left[48] = "";

    shorten((double)progress->done, done, sizeof done);
    shorten(rate, per_second, sizeof per_second);
    if (progress->total > 0 && progress->done <= progress->total && rate > 0) {
        const double left_s = ceil((double)(progress->total - progress->done) / rate);
        const uint64_t whole_s = left_s < 1e9 ? (uint64_t)left_s : 0;
        (void)snprintf(left, sizeof left, ", %.0f %%, %" PRIu64 ":%02u:%02u left",
                       floor(100 * (double)progress->done / (double)progress->total),
                       whole_s / 3600, (unsigned)(whole_s / 60 % 60), (unsigned)(whole_s % 60));
    }
    (void)snprintf(line, n, "%s: %s %s, %s/s%s", progress->what, done, progress->unit, per_second,
                   left);
}

void progress_add(struct progress *progress, uint64_t n)
{
    char line[LINE_MAX_BYTES];
    int64_t now_ns;

    progress->done += n;
    if (!progress->on_terminal) {
        return;
    }
    now_ns = clock_monotonic_ns();
    if (now_ns - progress->drawn_ns < REDRAW_NS) {
        return;
    }
    progress->drawn_ns = now_ns;
    progress->is_drawn = true;
    progress_line(progress, (double)(now_ns - progress->start_ns) * 1e-9, line, sizeof line);
    (void)fprintf(stderr, "\r%s\033[K", line);
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->is_drawn) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        progress->is_drawn = false;
    }
}
