package com.example.app;

import chatcompletion.v1.ChatCompletion;
import chatcompletion.v1.ChatCompletionChoice;
import chatcompletion.v1.ChatCompletionChunk;
import chatcompletion.v1.ChatCompletionChunkChoice;
import chatcompletion.v1.ChatCompletionChunkObject;
import chatcompletion.v1.ChatCompletionContentPartParam;
import chatcompletion.v1.ChatCompletionContentParts;
import chatcompletion.v1.ChatCompletionMessage;
import chatcompletion.v1.ChatCompletionMessageParam;
import chatcompletion.v1.ChatCompletionMessageToolCall;
import chatcompletion.v1.ChatCompletionModality;
import chatcompletion.v1.ChatCompletionObject;
import chatcompletion.v1.ChatCompletionRole;
import chatcompletion.v1.ChatCompletionStream;
import chatcompletion.v1.ChatCompletionStreamOptionsParam;
import chatcompletion.v1.ChatCompletionToolParam;
import chatcompletion.v1.ChoiceDelta;
import chatcompletion.v1.CompletionTokensDetails;
import chatcompletion.v1.CompletionUsage;
import chatcompletion.v1.ContentPartType;
import chatcompletion.v1.CreateChatCompletionRequest;
import chatcompletion.v1.FinishReason;
import chatcompletion.v1.FunctionDefinition;
import chatcompletion.v1.ImageDetail;
import chatcompletion.v1.ImageUrl;
import chatcompletion.v1.InputAudio;
import chatcompletion.v1.InputAudioFormat;
import chatcompletion.v1.JsonSchema;
import chatcompletion.v1.PromptCacheRetention;
import chatcompletion.v1.ReasoningEffort;
import chatcompletion.v1.ResponseFormat;
import chatcompletion.v1.ResponseFormatType;
import chatcompletion.v1.ServiceTier;
import chatcompletion.v1.StringList;
import chatcompletion.v1.ToolCallFunction;
import chatcompletion.v1.ToolChoiceMode;
import chatcompletion.v1.ToolType;
import chatcompletion.v1.Verbosity;
import chatpb.conformance.v1.Encoded;
import chatpb.conformance.v1.Response;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.ListValue;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.protobuf.util.Values;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Makes the messages of the golden files by hand, as a user would. */
final class Native {
  private Native() {}

  static Response build() throws InvalidProtocolBufferException {
    byte[] completion = writeCompletion();
    Response.Builder response = Response.newBuilder().addAllLines(readCompletion(completion));
    response.addMessages(
        Encoded.newBuilder()
            .setName("completion")
            .setType("chatcompletion.v1.ChatCompletion")
            .setWire(ByteString.copyFrom(completion)));
    Map<String, Message> made =
        Map.of(
            "tool-call", toolCall(),
            "stream-usage", streamUsage(),
            "request-parts", requestParts(),
            "zero-and-empty", zeroAndEmpty(),
            "enums", enums(),
            "vendor", vendor(),
            "chunk-of-stream", expand(stream()).get(1));
    made.forEach((name, message) -> response.addMessages(Main.encoded(name, message)));
    return response.build();
  }

  private static byte[] writeCompletion() {
    // docs: write
    ChatCompletionMessage message =
        ChatCompletionMessage.newBuilder()
            .setRole(ChatCompletionRole.CHAT_COMPLETION_ROLE_ASSISTANT)
            .setContent("Hello")
            .build();
    Struct groq = Struct.newBuilder().putFields("id", Values.of("req_1")).build();
    ChatCompletion completion =
        ChatCompletion.newBuilder()
            .setId("chatcmpl-1")
            .setObject(ChatCompletionObject.CHAT_COMPLETION_OBJECT_CHAT_COMPLETION)
            .setCreated(1721075651)
            .setModel("m-1")
            .addChoices(
                ChatCompletionChoice.newBuilder()
                    .setIndex(0) // zero, but present
                    .setMessage(message)
                    .setFinishReason(FinishReason.FINISH_REASON_STOP))
            .setNullFields(1L << ChatCompletion.USAGE_FIELD_NUMBER) // "usage": null
            .setAdditionalProperties(Struct.newBuilder().putFields("x_groq", Values.of(groq)))
            .putVerbatimProperties("seed", "18446744073709551615") // too large for a double
            .build();
    return completion.toByteArray();
    // docs: end
  }

  private static List<String> readCompletion(byte[] wire) throws InvalidProtocolBufferException {
    List<String> lines = new ArrayList<>();
    // docs: read
    ChatCompletion completion = ChatCompletion.parseFrom(wire);
    for (ChatCompletionChoice choice : completion.getChoicesList()) {
      if (choice.getFinishReason() == FinishReason.FINISH_REASON_STOP) {
        lines.add(choice.getMessage().getContent());
      }
    }
    if (!completion.hasUsage() && (completion.getNullFields() >>> ChatCompletion.USAGE_FIELD_NUMBER & 1) == 1) {
      lines.add("usage is null, not absent");
    }
    Struct vendor = completion.getAdditionalProperties().getFieldsOrThrow("x_groq").getStructValue();
    lines.add(vendor.getFieldsOrThrow("id").getStringValue());
    lines.add(completion.getVerbatimPropertiesOrThrow("seed")); // JSON text
    // docs: end
    return lines;
  }

  // docs: expand
  /** Returns the chunks of a stream, each of them whole. */
  static List<ChatCompletionChunk> expand(ChatCompletionStream stream) {
    List<ChatCompletionChunk> chunks = new ArrayList<>();
    for (ChatCompletionChunk kept : stream.getChunksList()) {
      chunks.add(stream.getCommon().toBuilder().mergeFrom(kept).build());
    }
    return chunks;
  }

  // docs: end

  private static ChatCompletionStream stream() {
    Struct groq = Struct.newBuilder().putFields("id", Values.of("req_1")).build();
    return ChatCompletionStream.newBuilder()
        .setCommon(
            ChatCompletionChunk.newBuilder()
                .setId("chatcmpl-1")
                .setModel("m-1")
                .setObject(ChatCompletionChunkObject.CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK)
                .setNullFields(1L << ChatCompletionChunk.USAGE_FIELD_NUMBER)
                .setAdditionalProperties(Struct.newBuilder().putFields("x_groq", Values.of(groq))))
        .addChunks(ChatCompletionChunk.newBuilder().addChoices(piece("Hel")))
        .addChunks(ChatCompletionChunk.newBuilder().setModel("m-2").addChoices(piece("lo")))
        .build();
  }

  private static ChatCompletionChunkChoice piece(String text) {
    return ChatCompletionChunkChoice.newBuilder()
        .setIndex(0)
        .setDelta(ChoiceDelta.newBuilder().setContent(text))
        .build();
  }

  private static Message toolCall() {
    ToolCallFunction function =
        ToolCallFunction.newBuilder().setName("get_weather").setArguments("{\"city\": \"Oslo\"}").build();
    ChatCompletionMessage message =
        ChatCompletionMessage.newBuilder()
            .setRole(ChatCompletionRole.CHAT_COMPLETION_ROLE_ASSISTANT)
            .addToolCalls(
                ChatCompletionMessageToolCall.newBuilder()
                    .setId("call_1")
                    .setType(ToolType.TOOL_TYPE_FUNCTION)
                    .setFunction(function))
            .setNullFields(
                1L << ChatCompletionMessage.CONTENT_FIELD_NUMBER | 1L << ChatCompletionMessage.REFUSAL_FIELD_NUMBER)
            .build();
    return ChatCompletion.newBuilder()
        .addChoices(
            ChatCompletionChoice.newBuilder()
                .setIndex(0)
                .setMessage(message)
                .setFinishReason(FinishReason.FINISH_REASON_TOOL_CALLS))
        .build();
  }

  private static Message streamUsage() {
    return ChatCompletionChunk.newBuilder()
        .setId("chatcmpl-1")
        .setObject(ChatCompletionChunkObject.CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK)
        .setEmptyFields(1L << ChatCompletionChunk.CHOICES_FIELD_NUMBER)
        .setUsage(
            CompletionUsage.newBuilder()
                .setPromptTokens(9)
                .setCompletionTokens(12)
                .setTotalTokens(21)
                .setCompletionTokensDetails(CompletionTokensDetails.newBuilder().setReasoningTokens(0)))
        .build();
  }

  private static Message requestParts() {
    ChatCompletionContentParts parts =
        ChatCompletionContentParts.newBuilder()
            .addItems(
                ChatCompletionContentPartParam.newBuilder()
                    .setType(ContentPartType.CONTENT_PART_TYPE_TEXT)
                    .setText("What is this? \u00e9\ud83d\ude00"))
            .addItems(
                ChatCompletionContentPartParam.newBuilder()
                    .setType(ContentPartType.CONTENT_PART_TYPE_IMAGE_URL)
                    .setImageUrl(
                        ImageUrl.newBuilder()
                            .setUrl("https://example.com/a.png")
                            .setDetail(ImageDetail.IMAGE_DETAIL_LOW)))
            .addItems(
                ChatCompletionContentPartParam.newBuilder()
                    .setType(ContentPartType.CONTENT_PART_TYPE_INPUT_AUDIO)
                    .setInputAudio(
                        InputAudio.newBuilder()
                            .setData(ByteString.copyFrom(new byte[] {0, 1, -2, -1}))
                            .setFormat(InputAudioFormat.INPUT_AUDIO_FORMAT_WAV)))
            .build();
    return CreateChatCompletionRequest.newBuilder()
        .setModel("m-1")
        .addMessages(
            ChatCompletionMessageParam.newBuilder()
                .setRole(ChatCompletionRole.CHAT_COMPLETION_ROLE_DEVELOPER)
                .setContentText("Be brief."))
        .addMessages(
            ChatCompletionMessageParam.newBuilder()
                .setRole(ChatCompletionRole.CHAT_COMPLETION_ROLE_USER)
                .setContentParts(parts))
        .setTemperature(0.1)
        .setSeed(Long.MIN_VALUE)
        .setStream(true)
        .setStreamOptions(ChatCompletionStreamOptionsParam.newBuilder().setIncludeUsage(true))
        .setStopList(StringList.newBuilder().addItems("END").addItems(""))
        .putLogitBias("50256", -100)
        .putLogitBias("7", 0)
        .addTools(
            ChatCompletionToolParam.newBuilder()
                .setType(ToolType.TOOL_TYPE_FUNCTION)
                .setFunction(
                    FunctionDefinition.newBuilder()
                        .setName("f")
                        .setParameters("{\"type\":\"object\",\"properties\":{\"z\":{},\"a\":{}}}")))
        .setToolChoiceMode(ToolChoiceMode.TOOL_CHOICE_MODE_AUTO)
        .build();
  }

  private static Message zeroAndEmpty() {
    return ChatCompletion.newBuilder()
        .setId("")
        .setCreated(0)
        .setEmptyFields(1L << ChatCompletion.METADATA_FIELD_NUMBER)
        .addChoices(
            ChatCompletionChoice.newBuilder()
                .setMessage(
                    ChatCompletionMessage.newBuilder()
                        .setEmptyFields(1L << ChatCompletionMessage.TOOL_CALLS_FIELD_NUMBER)
                        .setNullFields(1L << ChatCompletionMessage.ANNOTATIONS_FIELD_NUMBER)))
        .setUsage(CompletionUsage.newBuilder().setPromptTokens(0))
        .build();
  }

  private static Message enums() {
    return CreateChatCompletionRequest.newBuilder()
        .setServiceTier(ServiceTier.SERVICE_TIER_FLEX)
        .setReasoningEffort(ReasoningEffort.REASONING_EFFORT_NONE)
        .setVerbosity(Verbosity.VERBOSITY_LOW)
        .setPromptCacheRetention(PromptCacheRetention.PROMPT_CACHE_RETENTION_ONE_DAY)
        .addModalities(ChatCompletionModality.CHAT_COMPLETION_MODALITY_TEXT)
        .addModalities(ChatCompletionModality.CHAT_COMPLETION_MODALITY_AUDIO)
        .setResponseFormat(
            ResponseFormat.newBuilder()
                .setType(ResponseFormatType.RESPONSE_FORMAT_TYPE_JSON_SCHEMA)
                .setJsonSchema(
                    JsonSchema.newBuilder().setName("n").setSchema("{\"minimum\":1.0}").setStrict(false)))
        .build();
  }

  private static Message vendor() {
    ListValue steps =
        ListValue.newBuilder()
            .addValues(Values.of(1))
            .addValues(Values.of(true))
            .addValues(Values.ofNull())
            .addValues(Values.of("x"))
            .addValues(Values.of(Struct.getDefaultInstance()))
            .addValues(Values.of(List.of()))
            .build();
    Struct timings =
        Struct.newBuilder()
            .putFields("queue", Values.of(0.025))
            .putFields("steps", Value.newBuilder().setListValue(steps).build())
            .build();
    return ChatCompletion.newBuilder()
        .addChoices(
            ChatCompletionChoice.newBuilder()
                .setAdditionalProperties(Struct.newBuilder().putFields("timings", Values.of(timings))))
        .putVerbatimProperties("budget", "9007199254740993")
        .putVerbatimProperties("limits", "{\"max\":1e400}")
        .putMetadata("b", "1")
        .putMetadata("a", "")
        .build();
  }
}
