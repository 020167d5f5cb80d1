package org.apache.kafka.common.test.junit;

import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * One broker: the program that COMPAT_START names, called with id, port, data folder, file of
 * properties, and "id=port,..." of all. It stays in the foreground and ends on SIGTERM.
 */
final class OutsideBroker {
    private static final int PORT_FIRST = 15000;
    private static final int PORT_LAST = 31000;
    private static final int STOP_SECONDS = 30;

    final int id;
    final int port;
    private final Path home;
    private final Path settings;
    private String peers;
    private Process process;

    OutsideBroker(int id, Path home, List<String> properties) throws IOException {
        this.id = id;
        this.home = home;
        this.port = freePort();
        this.settings = Files.write(home.resolve("broker-" + id + ".properties"), properties);
    }

    /** Below the ports that outgoing connections get; the one after it is free too. */
    private static int freePort() throws IOException {
        for (int attempt = 0; attempt < 200; attempt++) {
            int at = ThreadLocalRandom.current().nextInt(PORT_FIRST, PORT_LAST) & ~1;
            try (ServerSocket a = new ServerSocket(at); ServerSocket b = new ServerSocket(at + 1)) {
                return at;
            } catch (IOException taken) {
                // another one
            }
        }
        throw new IOException("no free port");
    }

    /** peers null: those of the first time. */
    void launch(String all) throws IOException {
        peers = all == null ? peers : all;
        File log = home.resolve("broker-" + id + ".log").toFile();
        process = new ProcessBuilder(System.getenv("COMPAT_START"), String.valueOf(id),
            String.valueOf(port), home.resolve("data-" + id).toString(), settings.toString(), peers)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start();
    }

    boolean runs() { return process != null && process.isAlive(); }

    void awaitListening() {
        OutsideCluster.await("broker " + id + " listens", () -> {
            if (!runs()) throw new AssertionError("broker " + id + " ended: see " + home);
            try (Socket s = new Socket()) {
                s.connect(new InetSocketAddress("127.0.0.1", port), 500);
                return true;
            }
        });
    }

    void end() {
        if (process == null) return;
        process.destroy();
        try {
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) process.destroyForcibly().waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
