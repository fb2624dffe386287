/* chatpb: OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.
 *
 * A schema is a message type, made from descriptors. It never changes, and threads share it. A codec converts documents
 * of one schema, one at a time: give each thread its own. An accumulator puts the chunks of a stream together, and a
 * splitter makes chunks of a completion; each is one stream.
 *
 * Every function takes any bytes, null pointers and any number; what it cannot take is an error, and nothing is done.
 * Only two things cannot be checked: that a pointer which is not null points to as many bytes as the size next to it
 * says, and that a handle has not been freed.
 *
 * What a result points to belongs to the codec, accumulator or splitter, and stays until its next call or its end. What
 * `chatpb_schema_new` and `chatpb_splitter_new` report stays until that thread calls one of them again.
 *
 * docs/mapping.md has the mapping itself.
 */
#ifndef CHATPB_H
#define CHATPB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a program that was compiled with another version of this file would go wrong. */
#define CHATPB_ABI_VERSION 1

/* What a call came to. */
enum {
    CHATPB_OK = 0,
    /* The text is not acceptable JSON. The result has path, line, column and offset. */
    CHATPB_JSON_ERROR = 1,
    /* The bytes are not a valid encoding, or hold what JSON cannot. The result has path and offset. */
    CHATPB_WIRE_ERROR = 2,
    /* The descriptor set is malformed, or lacks the message. */
    CHATPB_DESCRIPTOR_ERROR = 3,
    /* The mapping cannot hold the message. */
    CHATPB_SCHEMA_ERROR = 4,
    /* A null pointer where something is needed, a size beyond the address space, or an option that does not exist. */
    CHATPB_ARGUMENT_ERROR = 5,
    /* Another thread is in a call with this codec, accumulator or splitter. */
    CHATPB_BUSY = 6,
    /* A defect of chatpb. A codec is as new; an accumulator or a splitter has no other result any more. */
    CHATPB_INTERNAL_ERROR = 7,
    /* The document breaks the contract, and CHATPB_STRICT was asked for. The result's data are the violations. */
    CHATPB_CONTRACT_ERROR = 8,
    /* A splitter has no more chunks. */
    CHATPB_END = 9
};

/* Options of a call, joined by `|`. */
enum {
    /* To wire: the same document gives the same bytes, whatever the order of its members. */
    CHATPB_CANONICAL = 1,
    /* Both ways: NaN and the infinities are accepted. */
    CHATPB_NONFINITE = 2,
    /* To JSON: a required member that no home holds is printed as its zero value. */
    CHATPB_FILL_REQUIRED = 4,
    /* To JSON, and of streams: a field that the schema does not have is left out. Without this option it is an error. */
    CHATPB_SKIP_UNKNOWN = 8,
    /* To wire: a document that breaks the contract so that typed readers fail is an error.
     * `chatpb_validate`: what such readers take, a member that is missing but may be null, is no violation. */
    CHATPB_STRICT = 16,
    /* `chatpb_splitter_new`: the chunks leave out the members that come at the end of a stream, such as the usage. */
    CHATPB_WITHOUT_USAGE = 32
};

/* A pointer in 8 bytes, so that a result has one layout on every little-endian machine, WebAssembly too. */
#define CHATPB_POINTER(type, name) \
    union {                        \
        const type *name;          \
        uint64_t name##_address;   \
    }

/* What a call came to, in fields of fixed width. All but the code is zero or null where it has no meaning. */
typedef struct chatpb_result {
    /* The wire bytes or the JSON text. Neither ends with a zero byte. Of CHATPB_CONTRACT_ERROR, the violations. */
    CHATPB_POINTER(uint8_t, data);
    uint64_t size;
    /* Of an error: the JSON Pointer of the value or message being read, and what is wrong with it, in UTF-8. */
    CHATPB_POINTER(char, path);
    uint64_t path_size;
    CHATPB_POINTER(char, reason);
    uint64_t reason_size;
    /* Of an error in a text: where it is. Lines and columns count from 1, columns in code points. */
    uint64_t line;
    uint64_t column;
    /* Of an error: bytes from the start of the input. */
    uint64_t offset;
    uint32_t code;
    uint32_t reserved;
} chatpb_result;

typedef struct chatpb_schema chatpb_schema;
typedef struct chatpb_codec chatpb_codec;
typedef struct chatpb_accumulator chatpb_accumulator;
typedef struct chatpb_splitter chatpb_splitter;

/* Return the CHATPB_ABI_VERSION of the library that is loaded. */
uint32_t chatpb_abi_version(void);

/* Make the schema of a message type: `name` is its full name, without a dot in front.
 *
 * The descriptor set holds the file of the message and all that it imports, as `protoc --include_imports` writes them;
 * null stands for the contract's own. Return null after an error, of which `result`, unless it is null, says more:
 * CHATPB_DESCRIPTOR_ERROR, CHATPB_SCHEMA_ERROR or CHATPB_ARGUMENT_ERROR.
 */
chatpb_schema *chatpb_schema_new(const uint8_t *descriptor_set, size_t size, const char *name, size_t name_size,
                                 chatpb_result *result);

/* Free a schema. What was made of it stays usable. */
void chatpb_schema_free(chatpb_schema *schema);

/* Make a codec of a schema; null if that is null. */
chatpb_codec *chatpb_codec_new(const chatpb_schema *schema);

/* Free a codec, and what its last result points to. No other thread may be in a call with it. */
void chatpb_codec_free(chatpb_codec *codec);

/* The conversions. Each returns the code of its result. */

/* The wire bytes of the message that a JSON object stands for. Options: CANONICAL, NONFINITE, STRICT. */
uint32_t chatpb_json_to_wire(chatpb_codec *codec, const uint8_t *text, size_t size, uint32_t options,
                             chatpb_result *result);

/* The JSON text of an encoded message. Options: NONFINITE, FILL_REQUIRED, SKIP_UNKNOWN. */
uint32_t chatpb_wire_to_json(chatpb_codec *codec, const uint8_t *wire, size_t size, uint32_t options,
                             chatpb_result *result);

/* Every way in which an encoded message breaks the contract, in the contract's order, as a JSON array of objects with
 * the strings `path`, `rule` and `message`; docs/mapping.md has the rules. It ends after 1,000 violations, or 1 MiB of
 * paths. Options: STRICT.
 */
uint32_t chatpb_validate(chatpb_codec *codec, const uint8_t *wire, size_t size, uint32_t options,
                         chatpb_result *result);

/* The wire bytes of each line, each after its length as a varint. Lines of whitespace alone are skipped. `threads` is the
 * most threads to use, 0 for one for each processor. The line and offset of an error count from the start of the input,
 * and the paths of violations start with the place of the document. Options: CANONICAL, NONFINITE, STRICT.
 */
uint32_t chatpb_json_lines_to_wire(chatpb_codec *codec, const uint8_t *text, size_t size, uint32_t options,
                                   uint32_t threads, chatpb_result *result);

/* The JSON text of each message, each with a newline behind it. The messages stand each after its length. */
uint32_t chatpb_wire_to_json_lines(chatpb_codec *codec, const uint8_t *wire, size_t size, uint32_t options,
                                   uint32_t threads, chatpb_result *result);

/* Streams. A completion's chunks are of the type chatcompletion.v1.ChatCompletionChunk, or of another whose descriptors
 * say how its members accumulate.
 */

/* The ChatCompletionStream that consists of some chunks, of which the codec's schema is the type: what all of them have is
 * stored once. The chunks stand each after its length. The path of an error is the place of the chunk, its offset counts
 * from that chunk's start. Options: none.
 */
uint32_t chatpb_compact_stream(chatpb_codec *codec, const uint8_t *chunks, size_t size, uint32_t options,
                               chatpb_result *result);

/* The chunks of an encoded ChatCompletionStream, each after its length. Options: none. */
uint32_t chatpb_expand_stream(chatpb_codec *codec, const uint8_t *stream, size_t size, uint32_t options,
                              chatpb_result *result);

/* Make an accumulator of chunks of a type; null if that is null. */
chatpb_accumulator *chatpb_accumulator_new(const chatpb_schema *chunk);

/* Free an accumulator, and what its last result points to. No other thread may be in a call with it. */
void chatpb_accumulator_free(chatpb_accumulator *accumulator);

/* Add the next chunk, given its wire bytes. The result has no data. A chunk that is an error adds nothing. Options:
 * NONFINITE, SKIP_UNKNOWN.
 */
uint32_t chatpb_accumulator_add(chatpb_accumulator *accumulator, const uint8_t *chunk, size_t size, uint32_t options,
                                chatpb_result *result);

/* The JSON text of the completion so far, members in the order in which they came. `chatpb_json_to_wire`, of a codec of
 * completions, makes its wire bytes. To get it takes time by its size.
 */
uint32_t chatpb_accumulator_json(chatpb_accumulator *accumulator, chatpb_result *result);

/* Split a completion into chunks, given the schemas of both and the completion's wire bytes. `characters` is the number of
 * characters of text in each chunk, 0 for a word in each. Options: NONFINITE, SKIP_UNKNOWN, WITHOUT_USAGE. Return null after
 * an error, of which `result`, unless it is null, says more: CHATPB_WIRE_ERROR or CHATPB_ARGUMENT_ERROR.
 */
chatpb_splitter *chatpb_splitter_new(const chatpb_schema *completion, const chatpb_schema *chunk, const uint8_t *wire,
                                     size_t size, size_t characters, uint32_t options, chatpb_result *result);

/* Free a splitter, and what its last result points to. No other thread may be in a call with it. */
void chatpb_splitter_free(chatpb_splitter *splitter);

/* The wire bytes of the next chunk. After the last one the code is CHATPB_END. */
uint32_t chatpb_splitter_next(chatpb_splitter *splitter, chatpb_result *result);

#ifdef __cplusplus
}
#endif

#endif
