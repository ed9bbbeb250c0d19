/*
 * Asking, and looking at the status.
 */
#include "http_ask.h"

#include "test.h"

static struct http_response ask(struct http_client *client, const char *method, const char *path,
                                const char *json)
{
    return http_client_ask(client, method, path,
                           json != NULL ? "Content-Type: application/json\r\n" : NULL, json);
}

void http_must(struct http_client *client, const char *method, const char *path, const char *json)
{
    struct http_response response = ask(client, method, path, json);

    if (response.status < 200 || response.status > 299) {
        fail_msg("%s %s: %d %s", method, path, response.status, response.body);
    }
    http_response_deinit(&response);
}

json_t *http_json(struct http_client *client, const char *method, const char *path,
                  const char *json, int status)
{
    struct http_response response = ask(client, method, path, json);
    json_t *answered = response.body != NULL ? json_loads(response.body, 0, NULL) : NULL;

    if (response.status != status) {
        fail_msg("%s %s: %d, not %d: %s", method, path, response.status, status, response.body);
    }
    http_response_deinit(&response);
    return answered;
}
