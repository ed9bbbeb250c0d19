/*
 * Problems: the facts of each kind, from the table of the header, and a paragraph for people on
 * each; filling one. Writing it out as application/problem+json is the caller's.
 */
#include "problem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct facts {
    const char *slug;
    const char *title;
    int status;
    int retry_after_s;
};

static const struct facts facts_of[PROBLEM_COUNT] = {
#define PROBLEM_FACTS(name, slug, status, retry, title)                                            \
    [PROBLEM_##name] = {slug, title, status, retry},
    PROBLEMS(PROBLEM_FACTS)
#undef PROBLEM_FACTS
};

static const char *const explanation_of[PROBLEM_COUNT] = {
    [PROBLEM_INVALID_JSON] =
        "The body could not be read as JSON; the detail names the line and the column. rankd takes "
        "RFC 8259 as it stands: UTF-8, an object or an array at the top, no comments, no trailing "
        "commas, no NaN or Infinity, and nothing after the end. Mend the body and send it again.",
    [PROBLEM_DUPLICATE_KEY] =
        "One object in the body has the same key twice, so it is not clear which value was meant. "
        "rankd refuses it where others silently keep the last one. Send each key once.",
    [PROBLEM_TOO_DEEP] =
        "Objects and arrays are nested deeper than any request of this API needs, so the body was "
        "refused before it was read. Check that the features are not wrapped in further objects.",
    [PROBLEM_BAD_REQUEST] =
        "The request line, a header, or a parameter of the query is malformed. The detail says "
        "which. Sending the same request again will not help.",
    [PROBLEM_BAD_FRAMING] =
        "The headers do not say beyond doubt where the request ends: Content-Length and "
        "Transfer-Encoding together, one of them twice, or a header whose name is malformed. What "
        "followed was not read, and the connection was closed.",
    [PROBLEM_INVALID_TOKEN] =
        "The server has tokens, and the request brought none that is valid: it is missing, not "
        "whole, "
        "unknown, revoked, not valid yet or not any more - which of these is not told. Send "
        "\"Authorization: Bearer <token>\". rankd token create makes one, rankd token list shows "
        "what "
        "there is.",
    [PROBLEM_INSUFFICIENT_SCOPE] =
        "The token is valid, but not for this route; the detail names the scope that is needed. No "
        "scope is part of another, so a token for administration does not score unless it has "
        "both.",
    [PROBLEM_MODEL_NOT_ALLOWED] =
        "The token is valid for some models, and this is another one, or concerns all of them. "
        "Whether there is a model of this name is not told.",
    [PROBLEM_RATE_LIMITED] = "The token has a rate, of requests or of events a second, and it is "
                             "used up. Nothing of the "
                             "request was done. Send it again after the time in Retry-After.",
    [PROBLEM_AUTH_RATE_LIMITED] = "From this address more than ten tokens came within a minute "
                                  "that are not valid. Valid ones are "
                                  "taken all the same; mend the client that sends the others, and "
                                  "try again after Retry-After.",
    [PROBLEM_NOT_FOUND] =
        "There is nothing at this path. Check its spelling against /openapi.json; paths are "
        "compared byte by byte and take no slash at the end.",
    [PROBLEM_UNKNOWN_MODEL] =
        "No model has this name. GET /v1/models lists those there are, and PUT /v1/models/{name} "
        "makes one. A request without a model goes to the one called \"default\".",
    [PROBLEM_UNKNOWN_VERSION] =
        "The model has no stored checkpoint of this version: it never had one, or it was removed "
        "by retention. GET /v1/models/{name}/versions lists those that are kept.",
    [PROBLEM_UNKNOWN_RANKING] =
        "No ranking with this id is in the log: it was never served, was served with "
        "\"log\": false or under overload, or has been removed by retention.",
    [PROBLEM_UNKNOWN_ITEM] =
        "No features are stored for an item with this id. PUT /v1/items/{id} stores them; an item "
        "can be scored without.",
    [PROBLEM_UNKNOWN_USER] =
        "No features are stored for a user with this id. PUT /v1/users/{id} stores them; a list "
        "can be scored without.",
    [PROBLEM_METHOD_NOT_ALLOWED] =
        "The path exists but does not take this method. The Allow header of the answer lists those "
        "it takes.",
    [PROBLEM_NOT_ACCEPTABLE] =
        "The Accept header of the request leaves out application/json, the type of all answers "
        "below /v1/. Send it with application/json or */*, or leave it out.",
    [PROBLEM_MODEL_EXISTS] =
        "A model of this name exists and its configuration is another one. PATCH changes labels, "
        "training and learning rate; for anything else choose a new name, or DELETE the model "
        "first.",
    [PROBLEM_DEFAULT_MODEL] =
        "The model \"default\" answers every request that names none, so it cannot be deleted. "
        "Make another model and name it in your requests if you do not want it.",
    [PROBLEM_BATCH_CONFLICT] =
        "A batch with this batch_id was taken in before, and its content was another one. Nothing "
        "was stored. Send the same content to repeat a batch, or give new content a new id.",
    [PROBLEM_BACKUP_EXISTS] =
        "There is a file of this name in the folder of backups, and none is ever replaced. Choose "
        "another name, or leave it out: then one is made from the time and the log's end.",
    [PROBLEM_BACKUP_RUNNING] =
        "One backup is made at a time, and one is under way. Send the request again when that one "
        "has been answered.",
    [PROBLEM_TRAINING_DISABLED] =
        "The configuration of this model says that it does not learn. PATCH the model with "
        "training.enabled true before asking it to train, pause or resume.",
    [PROBLEM_UNKNOWN_QUARANTINE] =
        "GET /v1/models/{name}/quarantine lists the steps whose lists were left out, with their "
        "ids.",
    [PROBLEM_ALREADY_RETRIED] =
        "Lists in quarantine are taken again once; if that was refused too, the step that tried "
        "is an entry of its own in GET /v1/models/{name}/quarantine.",
    [PROBLEM_TRAINING_PAUSED] =
        "Training of this model is paused, by an operator or after steps that failed. "
        "GET /v1/models/{name}/training says why; POST /v1/models/{name}/resume goes on and "
        "catches up.",
    [PROBLEM_TRAINING_HALTED] =
        "A recorded step of this model cannot be taken again after a start, so that what it "
        "learned "
        "last is not there to go on from; it serves the version before that step. The log says "
        "why. "
        "Restore a backup, or activate or import a version: learning goes on from that one.",
    [PROBLEM_LENGTH_REQUIRED] =
        "A request of this method needs a Content-Length header or chunked transfer coding, so "
        "that its end is certain. HTTP clients set it by themselves when they are given a body.",
    [PROBLEM_BODY_TOO_LARGE] =
        "The body is larger than this path takes. Send it in several requests, fewer lists or "
        "items in each. The connection was closed because the rest of the body was not read.",
    [PROBLEM_JSON_TOO_COMPLEX] =
        "The body is within the limit of bytes, but reading it would need far more memory than "
        "that, as a million empty objects do. Send it in several smaller requests.",
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] =
        "The Content-Type of the body is missing or is not one that this path takes. Use "
        "application/json, or application/x-ndjson where the API description offers it.",
    [PROBLEM_VALIDATION_FAILED] =
        "The body is JSON, but a value has another type or form than the API describes. The errors "
        "of the answer point to the place; nothing of the request was stored.",
    [PROBLEM_UNKNOWN_FIELD] =
        "An object has a member that rankd does not know, often a typing error. It is refused, "
        "rather than ignored, so that no label is lost unseen. Remove it, or add ?lenient=1 to "
        "have unknown members ignored.",
    [PROBLEM_VALUE_OUT_OF_RANGE] =
        "A number is outside the range that is allowed at its place; the detail names the range. "
        "Scale large feature values, for instance by a logarithm, before sending them.",
    [PROBLEM_LIMIT_EXCEEDED] =
        "There are more elements, or longer texts, than one request may have; the detail names the "
        "limit. Split the request or shorten the text.",
    [PROBLEM_DUPLICATE_ITEM] =
        "Two items of one list have the same id, so feedback on it could not be told apart. Send "
        "each item once in a list.",
    [PROBLEM_INDEX_OUTSIDE] =
        "This model takes features by column, and a column number is not below the size of its "
        "feature space. Check that the model is the one these features were made for.",
    [PROBLEM_INVALID_MODEL] =
        "The configuration of the model breaks a rule, such as a dimension that does not fit "
        "another one. The detail names it; no model was made or changed.",
    [PROBLEM_MODEL_TOO_LARGE] =
        "The parameters of this model would need more memory than the server allows for one model. "
        "Lower the number of rows or factors, or start the server with a larger --model-max-mib.",
    [PROBLEM_INVALID_TENSOR_FILE] =
        "The body is not a safetensors file that this model can be: the detail names the tensor "
        "and "
        "what is wrong with it. Its tensors have the names and shapes of the PyTorch module, each "
        "once, in F64, F32, F16 or BF16, and every number is finite. GET "
        "/v1/models/{name}/versions/0 gives a file to compare with. Nothing was stored.",
    [PROBLEM_INTERNAL] =
        "The server met a state that it did not expect. The request may be tried again; if it "
        "fails again, please report it with the request id and the line of the log that has it.",
    [PROBLEM_NON_FINITE_SCORE] =
        "The model computed a score that is not a finite number, so there was no order to give. "
        "Activate an earlier version of the model, and look at its training state.",
    [PROBLEM_UNSUPPORTED_TRANSFER_ENCODING] =
        "Of transfer codings rankd takes chunked alone. Send the body as it is, chunked or with a "
        "Content-Length. The connection was closed because its end was not certain.",
    [PROBLEM_OVERLOADED] =
        "More work is waiting than the server holds, so this request was refused at once and "
        "nothing of it was stored. Wait as long as Retry-After says and send it again.",
    [PROBLEM_DRAINING] =
        "The server is about to stop and takes no new work. Send the request to another replica, "
        "or again after the time in Retry-After.",
    [PROBLEM_OUT_OF_MEMORY] =
        "The server could not get the memory for this request; nothing of it was stored. Try again "
        "after the time in Retry-After, with a smaller request if it keeps failing.",
    [PROBLEM_STORAGE_ERROR] =
        "The disk or the database reported an error, and nothing was acknowledged. Scoring goes on "
        "from memory. Send the request again later; events that were stored are recognised as "
        "duplicates.",
    [PROBLEM_STORAGE_BUSY] =
        "Another process holds the lock of the database file. Send the request again; if it lasts, "
        "look for a shell or a backup tool that has the file open.",
    [PROBLEM_STORAGE_READ_ONLY] =
        "The database cannot be written: its folder or file system is read-only, or the server has "
        "no right to write there. Scoring goes on. Give it a writable folder.",
    [PROBLEM_STORAGE_CORRUPT] =
        "Stored bytes are not what was written, so rankd does not use them. Scoring goes on with "
        "the model in memory. Keep the file, and restore the last backup.",
    [PROBLEM_STORAGE_LOST] =
        "The database file, or a file that belongs to it, was deleted, moved or replaced while the "
        "server had it open: what is written now would be gone with the next start, so nothing is "
        "taken. Scoring goes on. Put the same files back and the server goes on by itself, or stop "
        "it, restore a backup and start it again.",
    [PROBLEM_STORAGE_SLOW] =
        "The disk has not finished a write for seconds. This request may be stored yet, or not: "
        "send it again, what was stored after all is recognised. Scoring goes on.",
    [PROBLEM_STORAGE_FULL] =
        "The disk has no room left, so nothing can be stored; scoring goes on. Free some space: "
        "the server notices by itself and takes events again without a restart.",
};

static const enum problem_kind kind_of_status[] = {
    [RK_OK] = PROBLEM_INTERNAL, /* a failure without a status is a defect */
    [RK_INVALID] = PROBLEM_VALIDATION_FAILED,
    [RK_NOTFOUND] = PROBLEM_NOT_FOUND,
    [RK_TOOBIG] = PROBLEM_LIMIT_EXCEEDED,
    [RK_MISMATCH] = PROBLEM_VALIDATION_FAILED,
    [RK_CORRUPT] = PROBLEM_STORAGE_CORRUPT,
    [RK_BUSY] = PROBLEM_OVERLOADED,
    [RK_IO] = PROBLEM_STORAGE_ERROR,
    [RK_NOMEM] = PROBLEM_OUT_OF_MEMORY,
    [RK_DIVERGED] = PROBLEM_NON_FINITE_SCORE,
};

const char *problem_slug(enum problem_kind kind)
{
    assert(kind < PROBLEM_COUNT);
    return facts_of[kind].slug;
}

const char *problem_title(enum problem_kind kind)
{
    assert(kind < PROBLEM_COUNT);
    return facts_of[kind].title;
}

const char *problem_explanation(enum problem_kind kind)
{
    assert(kind < PROBLEM_COUNT);
    return explanation_of[kind];
}

int problem_status(enum problem_kind kind)
{
    assert(kind < PROBLEM_COUNT);
    return facts_of[kind].status;
}

int problem_retry_after_s(enum problem_kind kind)
{
    assert(kind < PROBLEM_COUNT);
    return facts_of[kind].retry_after_s;
}

enum problem_kind problem_find(const char *slug)
{
    for (int kind = PROBLEM_NONE + 1; kind < PROBLEM_COUNT; kind++) {
        if (strcmp(slug, facts_of[kind].slug) == 0) {
            return (enum problem_kind)kind;
        }
    }
    return PROBLEM_NONE;
}

bool problem_set(struct problem *problem, enum problem_kind kind, const char *format, ...)
{
    if (problem->kind == PROBLEM_NONE) {
        va_list args;
        va_start(args, format);
        problem->kind = kind;
        problem->has_pointer = false;
        problem->pointer[0] = '\0';
        (void)vsnprintf(problem->detail, sizeof problem->detail, format, args);
        va_end(args);
    }
    return false;
}

bool problem_from_error(struct problem *problem, const struct rk_error *err)
{
    bool known = (size_t)err->status < sizeof kind_of_status / sizeof kind_of_status[0];
    return problem_set(problem, known ? kind_of_status[err->status] : PROBLEM_INTERNAL, "%s",
                       err->text[0] != '\0' ? err->text : rk_status_text(err->status));
}

enum rk_status problem_stored(const struct problem *problem, struct rk_error *err,
                              const char *format, ...)
{
    char what[sizeof problem->detail];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return rk_fail(err, problem->kind == PROBLEM_OUT_OF_MEMORY ? RK_NOMEM : RK_CORRUPT, "%s: %s",
                   what,
                   problem->detail[0] != '\0' ? problem->detail : "it is not as it was stored");
}
