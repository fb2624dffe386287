package com.example.front;

import static java.nio.charset.StandardCharsets.UTF_8;

import chatcompletion.v1.ChatCompletionChunk;
import chatcompletion.v1.ChatCompletionServiceGrpc;
import chatcompletion.v1.ChatCompletionServiceGrpc.ChatCompletionServiceBlockingStub;
import chatcompletion.v1.CreateChatCompletionRequest;
import chatcompletion.v1.ErrorObject;
import chatcompletion.v1.ErrorResponse;
import chatpb.Chatpb;
import chatpb.ChatpbException;
import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Executors;

/** Answers OpenAI clients over HTTP, at its first argument, with what the gRPC service at its second one answers. */
public record Front(ChatCompletionServiceBlockingStub service) implements HttpHandler {
  private static final int LARGEST = 64 << 20; // bytes of a message
  private static final Metadata.Key<String> KEY = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  @Override
  public void handle(HttpExchange exchange) throws IOException {
    // A client that left is noticed when an answer is sent to it. The context then ends, and the call with it.
    try (exchange; CancellableContext context = Context.current().withCancellation()) {
      try {
        context.call(() -> answer(exchange));
      } catch (Exception error) {
        fail(exchange, error);
      }
    } catch (ChatpbException error) {
      throw new IOException(error);
    }
  }

  private HttpExchange answer(HttpExchange exchange) throws IOException, ChatpbException {
    byte[] body = exchange.getRequestBody().readNBytes(LARGEST);
    CreateChatCompletionRequest request = Chatpb.parse(body, CreateChatCompletionRequest.newBuilder()).build();
    Metadata headers = new Metadata();
    exchange.getRequestHeaders().getOrDefault("Authorization", List.of()).forEach(key -> headers.put(KEY, key));
    var caller = service.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    if (request.getStream()) {
      Iterator<ChatCompletionChunk> chunks = caller.streamChatCompletion(request);
      while (chunks.hasNext()) {
        sendEvent(exchange, Chatpb.print(chunks.next()));
      }
      sendEvent(exchange, "[DONE]");
    } else {
      send(exchange, 200, "application/json", Chatpb.print(caller.createChatCompletion(request)));
    }
    return exchange;
  }

  private static void fail(HttpExchange exchange, Exception error) throws IOException, ChatpbException {
    boolean isBadRequest = error instanceof ChatpbException refused && refused.code() == ChatpbException.Code.JSON;
    String status = isBadRequest ? "400" : "502";
    ErrorObject.Builder found = ErrorObject.newBuilder().setMessage(String.valueOf(error.getMessage()));
    ErrorResponse body = ErrorResponse.newBuilder().setError(found).build();
    Status details = StatusProto.fromThrowable(error);
    for (Any detail : details == null ? List.<Any>of() : details.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        status = detail.unpack(ErrorInfo.class).getMetadataOrDefault("http_status", status);
      } else if (detail.is(RetryInfo.class)) {
        Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
        long seconds = delay.getSeconds() + (delay.getNanos() > 0 ? 1 : 0);
        exchange.getResponseHeaders().set("Retry-After", String.valueOf(seconds));
      } else if (detail.is(ErrorResponse.class)) {
        body = detail.unpack(ErrorResponse.class);
      }
    }
    if (exchange.getResponseCode() < 0) {
      send(exchange, Integer.parseInt(status), "application/json", Chatpb.print(body));
    } else { // the stream has begun, and the error is its last event
      sendEvent(exchange, Chatpb.print(body));
    }
  }

  private static void sendEvent(HttpExchange exchange, String data) throws IOException {
    send(exchange, 200, "text/event-stream", "data: " + data + "\n\n");
  }

  private static void send(HttpExchange exchange, int status, String type, String text) throws IOException {
    if (exchange.getResponseCode() < 0) {
      exchange.getResponseHeaders().set("Content-Type", type);
      exchange.sendResponseHeaders(status, 0); // of unknown length
    }
    exchange.getResponseBody().write(text.getBytes(UTF_8));
    exchange.getResponseBody().flush();
  }

  public static void main(String[] arguments) throws IOException {
    System.setProperty("sun.net.httpserver.nodelay", "true"); // else an event waits until the last one is acknowledged
    String[] listen = arguments[0].split(":");
    HttpServer server = HttpServer.create(new InetSocketAddress(listen[0], Integer.parseInt(listen[1])), 0);
    var channel = Grpc.newChannelBuilder(arguments[1], InsecureChannelCredentials.create());
    channel.maxInboundMessageSize(LARGEST);
    Front front = new Front(ChatCompletionServiceGrpc.newBlockingStub(channel.build()));
    server.createContext("/v1/chat/completions", front);
    server.setExecutor(Executors.newCachedThreadPool());
    server.start();
    System.err.printf("listening on %s:%d%n", listen[0], server.getAddress().getPort());
  }
}
