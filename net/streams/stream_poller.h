// net/streams/stream_poller.h: reports which byte streams can be read or
// written, and flushes those that were written to in this turn.
//
// All streams share one edge-triggered epoll set, which the context of the loop
// watches as one descriptor. So a stream costs one system call when it is
// opened and none to wait again.
#ifndef QUORATE_NET_STREAMS_STREAM_POLLER_H_
#define QUORATE_NET_STREAMS_STREAM_POLLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/event_loop/loop.h"

namespace quorate::net {

class StreamPoller final : public EventLoop::TurnEnd {
 public:
  // Size of one read. All streams share the buffer.
  static constexpr size_t kReadBytes = 256 << 10;

  // A stream. Must be removed before it is destroyed.
  class Watcher {
   public:
    // Called in step 1 of a turn, with the events of epoll.
    virtual void OnReady(uint32_t events) = 0;
    // Called at the end of a turn in which Flush was called.
    virtual void OnFlush() = 0;

   protected:
    ~Watcher() = default;
  };

  explicit StreamPoller(EventLoop& loop);
  ~StreamPoller();
  StreamPoller(const StreamPoller&) = delete;
  StreamPoller& operator=(const StreamPoller&) = delete;

  // Watches `fd` until Remove. The first event may come at once. Returns 0, or
  // the error's number if `fd` cannot be watched.
  int Add(int fd, Watcher* watcher);
  // Must be called before `fd` is closed. No method of `watcher` is called
  // afterwards.
  void Remove(int fd, Watcher* watcher);
  // Calls OnReady in the next turn, for bytes that were left unread.
  void Reschedule(Watcher* watcher);
  // Calls OnFlush at the end of this turn.
  void Flush(Watcher* watcher);

  // May be used during a call of OnReady.
  char* read_buffer() { return read_buffer_.get(); }
  EventLoop& loop() { return loop_; }

 private:
  struct Epoll;

  void Wait();
  void Dispatch();
  void RunRescheduled();
  void OnTurnEnd() override;

  EventLoop& loop_;
  const std::unique_ptr<char[]> read_buffer_;
  // Null entries were removed meanwhile.
  std::vector<Watcher*> rescheduled_;
  std::vector<Watcher*> running_;
  std::vector<Watcher*> flush_;
  env::Pending reschedule_timer_;
  const std::unique_ptr<Epoll> epoll_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_STREAM_POLLER_H_
