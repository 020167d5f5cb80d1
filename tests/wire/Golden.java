// Golden.java: encodes messages with Kafka's own serializers.  One line in: "<message> <version>
// <json>"; one line out: "<message> <version> <hex>", - for no bytes.  golden.py makes the input.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

public class Golden {
    public static void main(String[] args) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 3);
            short version = Short.parseShort(words[1]);
            Class<?> converter = Class.forName(
                "org.apache.kafka.common.message." + words[0] + "DataJsonConverter");
            Method read = converter.getMethod("read", JsonNode.class, short.class);
            Message message = (Message) read.invoke(null, mapper.readTree(words[2]), version);
            ByteBuffer encoded = MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] bytes = new byte[encoded.remaining()];
            encoded.get(bytes);
            String hex = bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
            System.out.println(words[0] + " " + version + " " + hex);
        }
    }
}
