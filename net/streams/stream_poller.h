// net/streams/stream_poller.h: which byte streams can be read or written, and which were
// written to in this turn.
//
// All streams share one epoll set, edge-triggered, which the loop's context
// watches as one descriptor: a stream costs one system call when it is opened
// and none to wait for more.
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
  // Bytes of one read; the buffer is shared by all streams.
  static constexpr size_t kReadBytes = 256 << 10;

  // A stream. Removed before it is destroyed.
  class Watcher {
   public:
    // In step 1 of a turn; `events` as epoll gives them.
    virtual void OnReady(uint32_t events) = 0;
    // At the end of a turn that asked for it.
    virtual void OnFlush() = 0;

   protected:
    ~Watcher() = default;
  };

  explicit StreamPoller(EventLoop& loop);
  ~StreamPoller();
  StreamPoller(const StreamPoller&) = delete;
  StreamPoller& operator=(const StreamPoller&) = delete;

  // Watches `fd` until Remove. The first event may be there at once.
  void Add(int fd, Watcher* watcher);
  // Before `fd` is closed. Nothing is called after it.
  void Remove(int fd, Watcher* watcher);
  // Calls OnReady(events) in the next turn, for what was left unread.
  void Again(Watcher* watcher);
  // Calls OnFlush at the end of this turn.
  void Flush(Watcher* watcher);

  // Free for use during a call of OnReady.
  char* read_buffer() { return read_buffer_.get(); }
  EventLoop& loop() { return loop_; }

 private:
  struct Epoll;

  void Wait();
  void Dispatch();
  void RunAgain();
  void OnTurnEnd() override;

  EventLoop& loop_;
  const std::unique_ptr<char[]> read_buffer_;
  // Null entries were removed meanwhile.
  std::vector<Watcher*> again_;
  std::vector<Watcher*> running_again_;
  std::vector<Watcher*> flush_;
  env::Pending again_timer_;
  const std::unique_ptr<Epoll> epoll_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_STREAM_POLLER_H_
