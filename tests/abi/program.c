/* Reads a ChatCompletion as JSON from standard input, and writes it as it comes back from wire bytes. */
#include <chatpb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const chatpb_result *result) {
    fprintf(stderr, "%u:%.*s:%u:%u:%u: %.*s\n", (unsigned)result->code, (int)result->path_size, result->path,
            (unsigned)result->line, (unsigned)result->column, (unsigned)result->offset, (int)result->reason_size,
            result->reason);
    return 1;
}

int main(void) {
    static const char name[] = "chatcompletion.v1.ChatCompletion";
    static uint8_t text[1 << 20];
    size_t size = fread(text, 1, sizeof text, stdin);
    chatpb_result result;
    chatpb_schema *schema;
    chatpb_codec *codec, *other;
    int status = 0;

    if (chatpb_abi_version() != CHATPB_ABI_VERSION) return 2;
    if (chatpb_schema_new(NULL, 0, "no.Such", 7, &result) || result.code != CHATPB_DESCRIPTOR_ERROR) return 2;
    schema = chatpb_schema_new(NULL, 0, name, strlen(name), &result);
    if (!schema) return fail(&result);
    codec = chatpb_codec_new(schema);
    other = chatpb_codec_new(schema);
    chatpb_schema_free(schema);

    if (chatpb_json_to_wire(codec, text, size, CHATPB_CANONICAL, &result) != CHATPB_OK) {
        status = fail(&result);
    } else if (chatpb_wire_to_json(other, result.data, (size_t)result.size, 0, &result) != CHATPB_OK) {
        status = fail(&result);
    } else {
        fwrite(result.data, 1, (size_t)result.size, stdout);
    }
    chatpb_codec_free(codec);
    chatpb_codec_free(other);
    return status;
}
