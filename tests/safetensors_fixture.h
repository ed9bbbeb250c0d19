/*
 * safetensors files for tests: made by hand from a header, or written, and refused as expected.
 */
#ifndef RANKD_SAFETENSORS_FIXTURE_H
#define RANKD_SAFETENSORS_FIXTURE_H

#include <rankd/safetensors.h>

/* A file in a block of exactly its length, so that the address sanitizer sees a read past its end. */
struct st_bytes {
    unsigned char *at;
    size_t n;
};

/* A sink that appends to a struct st_bytes. */
enum rk_status st_append(void *context, const void *bytes, size_t n, struct rk_error *err);

/* A file of a header, in which ' stands for ", and data bytes 0, 1, 2, ... */
struct st_bytes st_file_of(const char *header, size_t data);

/* Reads and frees; the status must be as expected, and the text exactly that. */
void assert_st_refused(struct st_bytes bytes, enum rk_status expected, const char *text);

struct st_refusal {
    const char *header;
    const char *text;
    size_t data;
};

void assert_st_all_corrupt(const struct st_refusal *refusals, size_t n);

/* A header's only tensor a, of which a test spoils one part. */
#define TENSOR(dtype, shape, offsets)                                                              \
    "{'a':{'dtype':" dtype ",'shape':" shape ",'data_offsets':" offsets "}}"
#define GOOD           "{'dtype':'F32','shape':[2],'data_offsets':[0,8]}"
#define LIST(refusals) refusals, sizeof refusals / sizeof refusals[0]
#define F32(name, begin, end)                                                                      \
    "'" name "':{'dtype':'F32','shape':[2],'data_offsets':[" begin "," end "]}"

/* A sample: its tensors and metadata, and the file that they give. */
#define ST_WRITTEN 4
extern const struct rk_st_tensor st_written[ST_WRITTEN];
extern const struct rk_st_pair st_written_metadata[2];
struct st_bytes st_write_sample(void);

#endif
