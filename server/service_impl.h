/*
 * What the service's files share.
 */
#ifndef RANKD_SERVER_SERVICE_IMPL_H
#define RANKD_SERVER_SERVICE_IMPL_H

#include "service.h"

/* May it listen where its options say? @return RK_OK; RK_MISMATCH: not without a token. */
RK_MUST_CHECK enum rk_status service_check_open(const struct service *service,
                                                struct rk_error *err);

/* Reads tokens again, notes their uses, and warns where there are none. */
void service_tend_access(struct service *service);

/* Notes the last uses. @pre nobody calls the API any more. */
void service_end_access(struct service *service);

#endif
