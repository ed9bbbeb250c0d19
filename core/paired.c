/*
 * Running mean and variance of paired differences.
 */
#include <math.h>
#include <rankd/paired.h>

void rk_paired_add(struct rk_paired *paired, double difference)
{
    const double off = difference - paired->mean;

    if (isnan(difference)) {
        return;
    }
    paired->n++;
    paired->mean += off / (double)paired->n;
    paired->squares += off * (difference - paired->mean);
}

double rk_paired_error(const struct rk_paired *paired)
{
    const double n = (double)paired->n;

    return paired->n > 1 ? sqrt(paired->squares / (n - 1) / n) : (double)NAN;
}
