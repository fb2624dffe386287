package chatpb;

import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The engines of the process: at most one for each processor that converts, and one for each that has streams. More could not run
 * at once, whatever number of threads there are, and each takes about 2 MiB. No lock here pins a virtual thread.
 */
final class Engines {
  private static final int COUNT = Runtime.getRuntime().availableProcessors();
  private static final Semaphore PERMITS = new Semaphore(COUNT);
  private static final ConcurrentLinkedDeque<Engine> IDLE = new ConcurrentLinkedDeque<>();
  private static final AtomicReferenceArray<Shared> SHARED = new AtomicReferenceArray<>(COUNT);
  private static final AtomicInteger NEXT = new AtomicInteger();

  private Engines() {}

  /** Does some work with an engine that nobody else uses meanwhile. It must not ask for another one. */
  static <T> T run(Engine.Work<T> work) throws ChatpbException {
    PERMITS.acquireUninterruptibly();
    try {
      Engine idle = IDLE.pollFirst();
      Engine engine = idle == null ? new Engine() : idle;
      try {
        return engine.run(work);
      } finally {
        if (engine.isFit()) {
          IDLE.addFirst(engine);
        }
      }
    } finally {
      PERMITS.release();
    }
  }

  /** An engine that has the streams of many threads, which no conversion can break. */
  static final class Shared {
    private final Engine engine = new Engine();
    private final ReentrantLock lock = new ReentrantLock();

    <T> T run(Engine.Work<T> work) throws ChatpbException {
      lock.lock();
      try {
        return engine.run(work);
      } finally {
        lock.unlock();
      }
    }

    boolean isBroken() {
      return engine.isBroken();
    }
  }

  /**
   * Returns an engine for a new stream. One that grew large gets no more streams, and goes when its last stream does: so the
   * garbage collector sees the memory of streams that nobody refers to any more.
   */
  static Shared shared() {
    int place = Math.floorMod(NEXT.getAndIncrement(), COUNT);
    return SHARED.updateAndGet(place, kept -> kept == null || !kept.engine.isFit() ? new Shared() : kept);
  }
}
