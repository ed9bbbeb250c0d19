/*
 * What the tests of the listener share: one on a free port, with the API's fixture behind it.
 */
#ifndef RANKD_HTTP_FIXTURE_H
#define RANKD_HTTP_FIXTURE_H

#include "api_fixture.h"
#include "http.h"
#include "http_client.h"

#define HTTP_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, http_fixture_setup, http_fixture_teardown)
#define HTTP_JSON "Content-Type: application/json\r\n"

struct listening {
    struct api_fixture *api;
    struct http *http;
    struct http_client client;
};

/* For cmocka. */
int http_fixture_setup(void **state);
int http_fixture_teardown(void **state);

/* Ends the listener; starts another one. What options leave open is filled in. */
void http_fixture_stop(struct listening *listening);
void http_fixture_start(struct listening *listening, struct http_options options);

/* Asks without a body, on the kept connection. */
struct http_response ask_for(struct listening *listening, const char *method, const char *path,
                             const char *headers);

/* Sends bytes as they are and takes the first answer. */
struct http_response send_raw(struct listening *listening, const char *text);

/* Asserts on status and a part of head or body (or NULL), and frees the response. */
void assert_response(struct http_response response, int status, const char *part);

/* Asserts on the value of a header. */
void assert_header(const struct http_response *response, const char *name, const char *expected);

#endif
