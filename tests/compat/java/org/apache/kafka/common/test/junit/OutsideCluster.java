package org.apache.kafka.common.test.junit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.AbstractMap;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import kafka.server.ControllerServer;
import kafka.server.KafkaBroker;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.test.ClusterInstance;
import org.apache.kafka.common.test.api.ClusterConfig;
import org.apache.kafka.common.test.api.Type;
import org.apache.kafka.server.fault.FaultHandlerException;
import org.junit.jupiter.api.Assumptions;

/**
 * A cluster of broker processes, numbered from 0, as Kafka's tests want to see one. What asks for
 * objects inside a broker ends the test as skipped. A test that asks for more brokers than there
 * may be (COMPAT_BROKERS, 1) gets those, and replica counts to match.
 */
final class OutsideCluster implements ClusterInstance {
    private static final int BROKERS_MAX =
        Integer.parseInt(System.getenv().getOrDefault("COMPAT_BROKERS", "1"));
    private static final List<String> REPLICA_COUNTS = List.of(
        "offsets.topic.replication.factor", "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr", "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr");
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(60);
    private static final int CALL_SECONDS = 10;

    private final ClusterConfig config;
    private final Type type;
    private final int count;
    private final TreeMap<Integer, OutsideBroker> brokers = new TreeMap<>();
    private Path home;
    private boolean started;
    private boolean stopped;

    OutsideCluster(ClusterConfig config, Type type) {
        this.config = config;
        this.type = type;
        this.count = Math.min(config.numBrokers(), BROKERS_MAX);
    }

    static void await(String what, Callable<Boolean> probe) {
        long end = System.nanoTime() + PATIENCE_NS;
        while (true) {
            try {
                if (probe.call()) return;
            } catch (Exception notYet) {
                // asked again below
            }
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            if (System.nanoTime() > end) throw new AssertionError("not within a minute: " + what);
        }
    }

    private <T> T ask(String what, AdminCall<T> call) {
        try (Admin admin = admin()) {
            return call.of(admin);
        } catch (Exception e) {
            throw new IllegalStateException(what, e);
        }
    }

    private interface AdminCall<T> {
        T of(Admin admin) throws Exception;
    }

    // ---- Life ----

    @Override
    public synchronized void start() {
        if (started) return;
        started = true;
        try {
            home = Files.createTempDirectory("compat");
            for (int id = 0; id < count; id++)
                brokers.put(id, new OutsideBroker(id, home, properties(id)));
            String peers = brokers.values().stream().map(b -> b.id + "=" + b.port)
                .collect(Collectors.joining(","));
            for (OutsideBroker b : brokers.values()) b.launch(peers);
        } catch (IOException e) {
            throw new IllegalStateException("the cluster did not start", e);
        }
        waitForReadyBrokers();
    }

    /** Lines of the file that a broker gets: settings, and feature levels as comments. */
    private List<String> properties(int id) {
        TreeMap<String, String> settings = new TreeMap<>(config.serverProperties());
        settings.putAll(config.perServerOverrideProperties().getOrDefault(id, Map.of()));
        for (String key : REPLICA_COUNTS)
            settings.merge(key, String.valueOf(Math.min(3, count)), OutsideCluster::smaller);
        for (String key : List.of("default.replication.factor", "min.insync.replicas"))
            settings.computeIfPresent(key, (k, v) -> smaller(v, String.valueOf(count)));
        List<String> lines = new ArrayList<>();
        settings.forEach((key, value) -> lines.add(key + "=" + value));
        config.features().forEach((f, level) -> lines.add("#feature " + f.featureName() + "=" + level));
        return lines;
    }

    private static String smaller(String a, String b) {
        return Integer.parseInt(a) < Integer.parseInt(b) ? a : b;
    }

    @Override
    public void waitForReadyBrokers() {
        List<OutsideBroker> living = living();
        for (OutsideBroker b : living) b.awaitListening();
        if (!living.isEmpty())
            await("all brokers are in the cluster", () -> ask("describe the cluster", a ->
                a.describeCluster().nodes().get(CALL_SECONDS, TimeUnit.SECONDS).size()
                    == living.size()));
    }

    private List<OutsideBroker> living() {
        return brokers.values().stream().filter(OutsideBroker::runs).collect(Collectors.toList());
    }

    @Override
    public synchronized void stop() {
        if (stopped) return;
        stopped = true;
        for (OutsideBroker b : brokers.values()) b.end();
        if (home == null || System.getenv("COMPAT_KEEP") != null) return;
        try (Stream<Path> files = Files.walk(home)) {
            files.sorted(Comparator.reverseOrder()).forEach(f -> f.toFile().delete());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override public void shutdownBroker(int id) { brokers.get(id).end(); }

    @Override
    public void startBroker(int id) {
        try {
            brokers.get(id).launch(null);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        brokers.get(id).awaitListening();
    }

    // ---- Topics ----

    @Override
    public void createTopic(String topic, int partitions, short replicas) {
        createTopic(topic, partitions, replicas, Map.of());
    }

    @Override
    public void createTopic(String topic, int partitions, short replicas,
                            Map<String, String> configs) {
        Map<String, String> kept = new HashMap<>(configs);
        kept.computeIfPresent("min.insync.replicas", (k, v) -> smaller(v, String.valueOf(count)));
        NewTopic wanted = new NewTopic(topic, partitions, (short) Math.min(replicas, count));
        ask("create " + topic, a -> a.createTopics(List.of(wanted.configs(kept))).all()
            .get(CALL_SECONDS, TimeUnit.SECONDS));
        waitTopicCreation(topic, partitions);
    }

    @Override
    public void waitTopicCreation(String topic, int partitions) {
        await(topic + " is led", () -> ask("describe " + topic, a -> {
            TopicDescription d = a.describeTopics(List.of(topic)).allTopicNames()
                .get(CALL_SECONDS, TimeUnit.SECONDS).get(topic);
            return d.partitions().size() == partitions && d.partitions().stream()
                .allMatch(p -> p.leader() != null && !p.leader().isEmpty());
        }));
    }

    @Override
    public void waitTopicDeletion(String topic) {
        await(topic + " is gone", () -> ask("list topics", a ->
            !a.listTopics().names().get(CALL_SECONDS, TimeUnit.SECONDS).contains(topic)));
    }

    // ---- Facts ----

    @Override
    public String bootstrapServers() {
        return brokers.values().stream().map(b -> "127.0.0.1:" + b.port)
            .collect(Collectors.joining(","));
    }

    @Override
    public String clusterId() {
        return ask("describe the cluster", a ->
            a.describeCluster().clusterId().get(CALL_SECONDS, TimeUnit.SECONDS));
    }

    @Override public Type type() { return type; }
    @Override public ClusterConfig config() { return config; }
    @Override public boolean started() { return started; }
    @Override public boolean stopped() { return stopped; }
    @Override public Set<Integer> brokerIds() { return new HashSet<>(brokers.keySet()); }
    @Override public ListenerName clientListener() { return config.brokerListenerName(); }
    @Override public ListenerName controllerListenerName() { return config.controllerListenerName(); }
    @Override public Optional<FaultHandlerException> firstFatalException() { return Optional.empty(); }

    @Override
    public Optional<FaultHandlerException> firstNonFatalException() {
        return Optional.empty();
    }

    @Override
    public List<Integer> brokerBoundPorts() {
        return brokers.values().stream().map(b -> b.port).collect(Collectors.toList());
    }

    @Override
    public Set<GroupProtocol> supportedGroupProtocols() {
        return Set.of(GroupProtocol.CLASSIC, GroupProtocol.CONSUMER);
    }

    @Override public void ensureConsistentMetadata() { waitForReadyBrokers(); }

    @Override
    public void ensureConsistentMetadata(Collection<KafkaBroker> some,
                                         Collection<ControllerServer> others) {
    }

    // ---- What only brokers inside the process have ----

    static <T> T inside() {
        Assumptions.abort("needs objects inside a broker");
        throw new IllegalStateException();
    }

    @Override
    public Map<Integer, KafkaBroker> brokers() {
        return new Names(brokers.keySet());
    }

    @Override
    public Map<Integer, KafkaBroker> aliveBrokers() {
        return new Names(living().stream().map(b -> b.id).collect(Collectors.toSet()));
    }

    @Override public Map<Integer, ControllerServer> controllers() { return inside(); }
    @Override public Set<Integer> controllerIds() { return inside(); }
    @Override public String bootstrapControllers() { return inside(); }
    @Override public void waitAcls(AclBindingFilter f, Collection<AccessControlEntry> e) { inside(); }

    /** Brokers may be counted and named, not looked into. */
    private static final class Names extends AbstractMap<Integer, KafkaBroker> {
        private final Set<Integer> ids;

        Names(Set<Integer> ids) { this.ids = Set.copyOf(ids); }

        @Override public Set<Integer> keySet() { return ids; }
        @Override public int size() { return ids.size(); }
        @Override public boolean containsKey(Object id) { return ids.contains(id); }
        @Override public KafkaBroker get(Object id) { return inside(); }
        @Override public Set<Entry<Integer, KafkaBroker>> entrySet() { return inside(); }
    }
}
