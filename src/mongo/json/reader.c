/*
 * One pass over the tokens. What is open is kept in frames, so that depth costs no stack.
 */
#include "mongo/json/reader.h"

#include <string.h>

#include "mongo/json/bytes.h"
#include "mongo/json/locale.h"
#include "mongo/json/scalar.h"
#include "mongo/json/wrapper.h"

#define NO_OUTER SIZE_MAX

/** A document or an array that is being written. */
typedef struct frame {
    uint32_t end, resume; /**< the token where it ends; the one after all that it belongs to */
    size_t length_at;     /**< where its length goes */
    size_t outer_at;      /**< of a scope also that of its code; else NO_OUTER */
    uint32_t next_index;  /**< of an array */
    bool is_array;
} frame_t;

typedef struct reader {
    mouv__json_tape_t tape;
    mouv__bytes_t bytes;
    const bson_value_t *values;
    mouv__json_fault_t *fault;
    uint32_t at; /**< the token to be looked at next */
    int depth;
    frame_t frames[MOUV__JSON_DEPTH_MAX];
} reader_t;

static void reader_open(reader_t *reader, uint32_t token, uint32_t resume, size_t outer_at) {
    const mouv__json_token_t *opened = &reader->tape.tokens[token];
    reader->at = token + 1;
    reader->frames[reader->depth++] =
        (frame_t){.end = opened->end,
                  .resume = resume,
                  .outer_at = outer_at,
                  .is_array = opened->kind == MOUV__JSON_ARRAY,
                  .length_at = mouv__bytes_reserve_length(&reader->bytes)};
}

static void reader_close(reader_t *reader) {
    const frame_t *frame = &reader->frames[--reader->depth];
    mouv__bytes_byte(&reader->bytes, 0);
    mouv__bytes_fill_length(&reader->bytes, frame->length_at);
    if (frame->outer_at != NO_OUTER) mouv__bytes_fill_length(&reader->bytes, frame->outer_at);
    reader->at = frame->resume;
}

/* --- Values ----------------------------------------------------------------------------------- */

/* An integer by its size, all else a double, also an integer that is beyond 64 bits. */
static bool reader_write_number(reader_t *reader, const mouv__element_t *element,
                                const mouv__json_token_t *token) {
    int64_t number;
    double real;
    if (mouv__scalar_int64(token->text, token->size, &number)) {
        bool small = number >= INT32_MIN && number <= INT32_MAX;
        mouv__element_begin(element, small ? BSON_TYPE_INT32 : BSON_TYPE_INT64);
        if (small)
            mouv__bytes_int32(&reader->bytes, (int32_t)number);
        else
            mouv__bytes_int64(&reader->bytes, number);
        return true;
    }
    if (!mouv__scalar_double(token->text, token->size, &real))
        return mouv__json_wrong(reader->fault, token->at, "a number beyond the range of doubles");
    mouv__element_begin(element, BSON_TYPE_DOUBLE);
    mouv__bytes_double(&reader->bytes, real);
    return true;
}

static void reader_write_mark(reader_t *reader, const mouv__element_t *element, uint32_t index) {
    bson_t one = BSON_INITIALIZER;
    bson_append_value(&one, element->key, (int)element->key_size, &reader->values[index]);
    mouv__bytes_put(&reader->bytes, bson_get_data(&one) + 4, one.len - 5);
    bson_destroy(&one);
}

static bool reader_write_object(reader_t *reader, const mouv__element_t *element) {
    const mouv__json_token_t *tokens = reader->tape.tokens;
    uint32_t object = reader->at, resume = tokens[object].end;
    const mouv__wrapper_t *wrapper = mouv__wrapper_find(tokens, object);
    mouv__wrapped_t wrapped = {.tokens = tokens,
                               .object = object,
                               .values = reader->values,
                               .to = *element,
                               .fault = reader->fault};
    if (!wrapper) {
        mouv__element_begin(element, BSON_TYPE_DOCUMENT);
        reader_open(reader, object, resume, NO_OUTER);
        return true;
    }
    if (!mouv__wrapper_write(wrapper, &wrapped)) return false;
    if (wrapped.scope)
        reader_open(reader, wrapped.scope, resume, wrapped.scope_at);
    else
        reader->at = resume;
    return true;
}

/* Values of one token; those of more have moved on by themselves. */
static bool reader_write_value(reader_t *reader, const mouv__element_t *element) {
    const mouv__json_token_t *token = &reader->tape.tokens[reader->at];
    switch (token->kind) {
    case MOUV__JSON_OBJECT:
        return reader_write_object(reader, element);
    case MOUV__JSON_ARRAY:
        mouv__element_begin(element, BSON_TYPE_ARRAY);
        reader_open(reader, reader->at, token->end, NO_OUTER);
        return true;
    case MOUV__JSON_NUMBER:
        reader->at++;
        return reader_write_number(reader, element, token);
    case MOUV__JSON_STRING:
        mouv__element_begin(element, BSON_TYPE_UTF8);
        mouv__bytes_string(&reader->bytes, token->text, token->size);
        break;
    case MOUV__JSON_MARK:
        reader_write_mark(reader, element, token->size);
        break;
    case MOUV__JSON_NULL:
        mouv__element_begin(element, BSON_TYPE_NULL);
        break;
    case MOUV__JSON_FALSE:
    case MOUV__JSON_TRUE:
        mouv__element_begin(element, BSON_TYPE_BOOL);
        mouv__bytes_byte(&reader->bytes, token->kind == MOUV__JSON_TRUE);
        break;
    }
    reader->at++;
    return true;
}

/* --- Elements --------------------------------------------------------------------------------- */

static bool reader_write_element(reader_t *reader, frame_t *frame) {
    char index[16];
    const char *key;
    mouv__element_t element = {.bytes = &reader->bytes};
    if (frame->is_array) {
        element.key_size = bson_uint32_to_string(frame->next_index++, &key, index, sizeof index);
        element.key = key;
        return reader_write_value(reader, &element);
    }
    const mouv__json_token_t *token = &reader->tape.tokens[reader->at++];
    if (memchr(token->text, '\0', token->size))
        return mouv__json_wrong(reader->fault, token->at, "a key has U+0000 in it");
    element.key = token->text;
    element.key_size = token->size;
    return reader_write_value(reader, &element);
}

static bool reader_write_all(reader_t *reader) {
    while (reader->depth > 0) {
        frame_t *frame = &reader->frames[reader->depth - 1];
        if (reader->at == frame->end)
            reader_close(reader);
        else if (!reader_write_element(reader, frame))
            return false;
        if (reader->bytes.size > INT32_MAX)
            return mouv__json_wrong(reader->fault, 0, "a document of more than 2 GiB");
    }
    return true;
}

static bool reader_write_root(reader_t *reader) {
    const mouv__json_token_t *root = reader->tape.tokens;
    bool object = root->kind == MOUV__JSON_OBJECT;
    if (!object && root->kind != MOUV__JSON_ARRAY)
        return mouv__json_wrong(reader->fault, root->at, "expected a document or an array, not %s",
                                mouv__json_kind_name(root->kind));
    const mouv__wrapper_t *wrapper = object ? mouv__wrapper_find(root, 0) : NULL;
    if (wrapper && !mouv__wrapper_may_be_operators(wrapper))
        return mouv__json_wrong(reader->fault, root->at, "a single value where a document belongs");
    reader_open(reader, 0, root->end, NO_OUTER);
    return reader_write_all(reader);
}

bson_t *mouv__json_read(const char *text, size_t size, const mouv__json_marks_t *marks,
                        const bson_value_t *values, mouv__json_fault_t *fault) {
    reader_t *reader = bson_malloc(sizeof *reader); /* of the frames those are set that are open */
    locale_t before = mouv__locale_begin();
    bson_t *document = NULL;
    reader->bytes = (mouv__bytes_t){0};
    reader->values = values;
    reader->fault = fault;
    reader->depth = 0;
    if (mouv__json_tape_read(&reader->tape, text, size, marks, fault) && reader_write_root(reader))
        document = bson_new_from_data(reader->bytes.data, reader->bytes.size);
    bson_free(reader->bytes.data);
    mouv__locale_end(before);
    mouv__json_tape_clear(&reader->tape);
    bson_free(reader);
    return document;
}
