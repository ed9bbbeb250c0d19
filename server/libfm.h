/*
 * The model file of libFM (Rendle, "Factorization Machines with libFM", ACM TIST 2012; -save_model):
 *     #global bias W0
 *     w0
 *     #unary interactions Wj           n lines of one number; left out with -dim '1,0,k'
 *     #pairwise interactions Vj,f      n lines of k numbers
 */
#ifndef RANKD_SERVER_LIBFM_H
#define RANKD_SERVER_LIBFM_H

#include <rankd/model.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>

/** Does a file start as libFM's does? */
bool libfm_is(const void *bytes, size_t n);

/**
 * Reads it into the parameters of a model.
 *
 * @param model  of kind fm on an indexed space of n columns, with dim k.
 * @param text   n bytes and a zero byte behind them.
 * @param theta  out, (params); undefined on error.
 * @return RK_OK; RK_MISMATCH: not such a model, or other sizes; RK_INVALID: not a number or not
 *         finite; both with the line.
 */
RK_MUST_CHECK enum rk_status libfm_read(const struct rk_model *model, const char *text, size_t n,
                                        float *theta, struct rk_error *err);

#endif
