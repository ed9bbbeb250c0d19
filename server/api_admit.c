/*
 * May a call be made? The table of routes says which scope it needs; what a token may, access.h.
 */
#include "api_impl.h"

#include <string.h>

bool api_reaches(struct api *api, const struct api_call *call, const char *model,
                 struct problem *problem)
{
    return token_reaches(&call->grant, model) ||
           access_refuse_model(api->access, &call->grant, problem);
}

/* A token that is for some models reaches what is about them alone. */
static bool reaches_route(struct api *api, const struct api_call *call,
                          const struct api_route *route, const char *name, size_t n,
                          struct problem *problem)
{
    char model[API_PARAM_MAX] = "";
    size_t length;

    if (call->grant.n_models == 0 || route->reach == API_ANY_MODEL) {
        return true;
    }
    /* What cannot be decoded names no model that it is for. */
    return (route->reach == API_ITS_MODEL &&
            api_decode(name, n, false, model, sizeof model, &length))
               ? api_reaches(api, call, model, problem)
               : access_refuse_model(api->access, &call->grant, problem);
}

bool api_admit(struct api *api, struct api_call *call, struct problem *problem)
{
    const char *segment[2] = {NULL, NULL};
    size_t length[2] = {0, 0};
    bool known;
    const struct api_route *route =
        api_find_route(call->method, call->path, segment, length, &known);

    call->admitted = true;
    if (route != NULL && route->scope != API_OPEN && access_has_tokens(api->access)) {
        const struct access_request request = {.authorization = call->authorization,
                                               .peer = call->peer,
                                               .scope = (enum token_scope)route->scope};
        call->admitted = access_admit(api->access, &request, &call->grant, problem) &&
                         reaches_route(api, call, route, segment[0], length[0], problem);
    }
    return call->admitted;
}
