import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * DamagedReadTest BOOTSTRAP TOPIC END: reads partition 0 up to offset END; where the client throws
 * because a message is corrupt, it goes on behind it. Prints "record OFFSET" and "corrupt OFFSET".
 */
public final class DamagedReadTest {
    private static final Pattern WHERE = Pattern.compile("corrupt message when fetching offset (\\d+)");
    private static final long SECONDS = 60;

    private DamagedReadTest() {}

    public static void main(String[] args) {
        Properties p = new Properties();
        p.put("bootstrap.servers", args[0]);
        p.put("key.deserializer", ByteArrayDeserializer.class.getName());
        p.put("value.deserializer", ByteArrayDeserializer.class.getName());
        TopicPartition part = new TopicPartition(args[1], 0);
        long end = Long.parseLong(args[2]);
        long limit = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        try (KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(p)) {
            c.assign(List.of(part));
            c.seek(part, 0);
            while (c.position(part) < end && System.nanoTime() < limit) {
                try {
                    for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofSeconds(1)))
                        System.out.println("record " + r.offset());
                } catch (KafkaException e) {
                    Matcher m = WHERE.matcher(String.valueOf(e.getMessage()));
                    if (!m.find()) throw e;
                    System.out.println("corrupt " + m.group(1));
                    c.seek(part, Long.parseLong(m.group(1)) + 1);
                }
            }
        }
    }
}
