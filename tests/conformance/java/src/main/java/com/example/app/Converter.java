package com.example.app;

import chatpb.Accumulator;
import chatpb.ChatpbException;
import chatpb.Codec;
import chatpb.Option;
import chatpb.Violation;
import chatpb.conformance.v1.Convert;
import chatpb.conformance.v1.Outcome;
import chatpb.conformance.v1.Refusal;
import chatpb.conformance.v1.Response;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.ListValue;
import com.google.protobuf.Struct;
import com.google.protobuf.util.JsonFormat;
import com.google.protobuf.util.Values;
import java.util.List;
import java.util.Locale;

/** Converts JSON with chatpb. */
final class Converter {
  private Converter() {}

  static Response convert(Convert request) throws InvalidProtocolBufferException {
    Response.Builder response = Response.newBuilder();
    for (ByteString input : request.getInputsList()) {
      response.addOutcomes(outcome(request, input));
    }
    return response.build();
  }

  private static Outcome outcome(Convert request, ByteString input) throws InvalidProtocolBufferException {
    try {
      return Outcome.newBuilder().setOutput(output(request, input)).build();
    } catch (ChatpbException error) {
      Refusal.Builder refusal =
          Refusal.newBuilder()
              .setCode(error.code().name().toLowerCase(Locale.ROOT))
              .setPath(error.path())
              .setLine(error.line())
              .setColumn(error.column())
              .setOffset(error.offset())
              .setReason(error.reason());
      return Outcome.newBuilder().setRefusal(refusal).build();
    }
  }

  private static ByteString output(Convert request, ByteString input)
      throws ChatpbException, InvalidProtocolBufferException {
    Codec codec = Codec.of(request.getType());
    byte[] bytes = input.toByteArray();
    Option[] skipping = request.getSkipUnknown() ? new Option[] {Option.SKIP_UNKNOWN_FIELDS} : new Option[0];
    return switch (request.getConversion()) {
      case CONVERSION_JSON_TO_WIRE -> ByteString.copyFrom(codec.jsonToWire(bytes));
      case CONVERSION_WIRE_TO_JSON -> ByteString.copyFrom(codec.wireToJsonBytes(bytes, skipping));
      case CONVERSION_VALIDATE -> ByteString.copyFromUtf8(json(codec.validate(bytes)));
      case CONVERSION_ACCUMULATE -> ByteString.copyFromUtf8(accumulate(input));
      default -> throw new UnsupportedOperationException("no such conversion");
    };
  }

  private static String json(List<Violation> violations) throws InvalidProtocolBufferException {
    ListValue.Builder list = ListValue.newBuilder();
    for (Violation each : violations) {
      list.addValues(
          Values.of(
              Struct.newBuilder()
                  .putFields("path", Values.of(each.path()))
                  .putFields("rule", Values.of(each.rule()))
                  .putFields("message", Values.of(each.message()))
                  .build()));
    }
    return JsonFormat.printer().print(list);
  }

  /** Puts together the chunks of a stream, one a line. */
  private static String accumulate(ByteString lines) throws ChatpbException {
    Accumulator accumulator = new Accumulator();
    int start = 0;
    while (start < lines.size()) {
      int end = start;
      while (end < lines.size() && lines.byteAt(end) != '\n') {
        end++;
      }
      accumulator.addJson(lines.substring(start, end).toByteArray());
      start = end + 1;
    }
    return accumulator.toJson();
  }
}
