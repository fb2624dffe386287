package chatpb;

import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The engines of the process: at most one for each processor that converts and one more, and one for each that has streams. More
 * could not run at once, whatever number of threads there are, and each takes about 4 MiB. No lock here pins a virtual thread.
 */
final class Engines {
  private static final int COUNT = Runtime.getRuntime().availableProcessors();

  /** The engine of whoever finds it free, at the price of one exchange: the only one, where one thread converts at a time. */
  private static final Place FIRST = new Place();

  private static final AtomicBoolean FIRST_IS_TAKEN = new AtomicBoolean();

  /** The places of the others, the one last used in front, so that few engines are made where few are needed. */
  private static final ConcurrentLinkedDeque<Place> OTHERS =
      Stream.generate(Place::new).limit(COUNT).collect(Collectors.toCollection(ConcurrentLinkedDeque::new));

  private static final Semaphore FREE_OTHERS = new Semaphore(COUNT);
  private static final AtomicReferenceArray<Shared> SHARED = new AtomicReferenceArray<>(COUNT);
  private static final AtomicInteger NEXT = new AtomicInteger();

  private Engines() {}

  /** Where an engine is made once it is needed. */
  private static final class Place {
    private Engine engine;

    <T> T run(Engine.Work<T> work) throws ChatpbException {
      if (engine == null) {
        engine = new Engine();
      }
      try {
        return engine.run(work);
      } finally {
        if (!engine.isFit()) {
          engine = null;
        }
      }
    }
  }

  /** Does some work with an engine that nobody else uses meanwhile. It must not ask for another one. */
  static <T> T run(Engine.Work<T> work) throws ChatpbException {
    if (FIRST_IS_TAKEN.compareAndSet(false, true)) {
      try {
        return FIRST.run(work);
      } finally {
        FIRST_IS_TAKEN.set(false);
      }
    }
    FREE_OTHERS.acquireUninterruptibly();
    Place place = OTHERS.removeFirst();
    try {
      return place.run(work);
    } finally {
      OTHERS.addFirst(place);
      FREE_OTHERS.release();
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
