package org.apache.kafka.common.test.junit;

import java.util.List;
import org.apache.kafka.common.test.api.ClusterConfig;
import org.apache.kafka.common.test.api.Type;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;

/**
 * Takes the place of the class of this name in kafka-test-common-runtime, in front of which it
 * stands on the class path: Kafka's {@code @ClusterTest} tests then run against an
 * {@link OutsideCluster} instead of brokers inside the test's own process.
 */
public class RaftClusterInvocationContext implements TestTemplateInvocationContext {
    private final String label;
    private final ClusterConfig config;
    private final boolean combined;

    public RaftClusterInvocationContext(String label, ClusterConfig config, boolean combined) {
        this.label = label;
        this.config = config;
        this.combined = combined;
    }

    @Override
    public String getDisplayName(int index) {
        return label + " [" + index + (combined ? " combined" : "") + "]";
    }

    @Override
    public List<Extension> getAdditionalExtensions() {
        OutsideCluster cluster = new OutsideCluster(config, combined ? Type.CO_KRAFT : Type.KRAFT);
        BeforeEachCallback begin = context -> {
            skipWhatCannotRun();
            if (config.isAutoStart()) cluster.start();
        };
        // Before the check for leaked threads; and again, for a test whose set-up failed.
        AfterTestExecutionCallback end = context -> cluster.stop();
        AfterEachCallback afterFailure = context -> cluster.stop();
        return List.of(begin, end, afterFailure, new ClusterInstanceParameterResolver(cluster));
    }

    private void skipWhatCannotRun() {
        // Where the controller runs is not visible from outside: once is enough.
        Assumptions.assumeFalse(combined && config.clusterTypes().contains(Type.KRAFT),
            "same as the isolated type");
        Assumptions.assumeTrue(config.brokerSecurityProtocol().name.equals("PLAINTEXT"),
            "needs " + config.brokerSecurityProtocol().name);
        Assumptions.assumeTrue(config.numDisksPerBroker() == 1, "needs several disks a broker");
    }
}
