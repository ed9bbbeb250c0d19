/*
 * Requests to a server that a test expects to go one way: anything else fails the test and says what
 * was answered.
 */
#ifndef RANKD_HTTP_ASK_H
#define RANKD_HTTP_ASK_H

#include "http_client.h"

#include <jansson.h>

/* Asks for what must be done (2xx). json: the body, or NULL. */
void http_must(struct http_client *client, const char *method, const char *path, const char *json);

/* Asks for what must be answered with a status. @return the JSON that was answered, or NULL. */
json_t *http_json(struct http_client *client, const char *method, const char *path,
                  const char *json, int status);

#endif
