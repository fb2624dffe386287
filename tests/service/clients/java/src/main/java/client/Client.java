package client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.ObjectMappers;
import com.openai.core.http.StreamResponse;
import com.openai.errors.OpenAIServiceException;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Prints as JSON what openai-java makes of the endpoint at an address. The test compares two endpoints. */
public final class Client {
  private static final JsonMapper MAPPER = ObjectMappers.jsonMapper();

  private Client() {}

  public static void main(String[] arguments) throws JsonProcessingException {
    OpenAIClient client =
        OpenAIOkHttpClient.builder().baseUrl(arguments[0]).apiKey("sk-test").maxRetries(0).build();
    Map<String, Object> found = new LinkedHashMap<>();
    for (String model : List.of("m", "busy", "broken", "breaks")) {
      ChatCompletionCreateParams request =
          ChatCompletionCreateParams.builder()
              .model(model)
              .addUserMessage("hello")
              .putAdditionalBodyProperty("vendor", JsonValue.from(List.of(9007199254740993L, Map.of())))
              .build();
      try {
        found.put(model, client.chat().completions().create(request));
      } catch (OpenAIServiceException refused) {
        found.put(model, failure(refused));
      }
      List<Object> streamed = new ArrayList<>();
      try (StreamResponse<ChatCompletionChunk> chunks = client.chat().completions().createStreaming(request)) {
        chunks.stream().forEach(streamed::add);
      } catch (OpenAIServiceException refused) {
        streamed.add(failure(refused));
      }
      found.put(model + " streamed", streamed);
    }
    System.out.println(MAPPER.writeValueAsString(found));
    System.exit(0); // threads of the client are kept for a minute
  }

  private static List<Object> failure(OpenAIServiceException refused) {
    return List.of(refused.getClass().getSimpleName(), refused.statusCode(), refused.body());
  }
}
