import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeReplicaLogDirsResult.ReplicaLogDirInfo;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartitionReplica;

/**
 * MoveReplicas BOOTSTRAP TOPIC PARTITIONS DIRECTORY: moves partitions [0, PARTITIONS) of a topic to
 * a data directory of the one broker and waits until they are there.  Prints a line per partition:
 * "moved", or the error.
 */
public final class MoveReplicas {
    private static final long WAIT_NS = TimeUnit.SECONDS.toNanos(120);

    private MoveReplicas() {
    }

    private static boolean arrived(Admin admin, TopicPartitionReplica replica, String directory)
            throws ExecutionException, InterruptedException {
        ReplicaLogDirInfo info =
            admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica);
        String current = info.getCurrentReplicaLogDir();
        String future = info.getFutureReplicaLogDir();
        if (future != null && (!future.equals(directory) || info.getFutureReplicaOffsetLag() < 0))
            throw new IllegalStateException("future replica in " + future + ", behind by "
                + info.getFutureReplicaOffsetLag());
        if (future == null && !directory.equals(current))
            throw new IllegalStateException("it stays in " + current);
        return future == null;
    }

    private static String outcome(Admin admin, TopicPartitionReplica replica,
            KafkaFuture<Void> asked, String directory)
            throws InterruptedException {
        try {
            asked.get();
            long began = System.nanoTime();
            while (!arrived(admin, replica, directory))
                if (System.nanoTime() - began > WAIT_NS)
                    return "never arrived";
            return "moved";
        } catch (ExecutionException e) {
            return e.getCause().getClass().getSimpleName();
        }
    }

    public static void main(String[] args) throws ExecutionException, InterruptedException {
        Properties config = new Properties();
        config.put("bootstrap.servers", args[0]);
        String topic = args[1];
        String directory = args[3];
        try (Admin admin = Admin.create(config)) {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            Map<TopicPartitionReplica, String> wanted = new HashMap<>();
            for (int i = 0; i < Integer.parseInt(args[2]); i++)
                wanted.put(new TopicPartitionReplica(topic, i, node), directory);
            var asked = admin.alterReplicaLogDirs(wanted).values();
            for (var one : asked.entrySet())
                System.out.println(outcome(admin, one.getKey(), one.getValue(), directory));
        }
    }
}
