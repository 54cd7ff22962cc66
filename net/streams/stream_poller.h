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
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "net/event_loop/loop.h"

namespace quorate::net {

// Streams with bytes to read are in a queue. A turn reads from its head, one
// buffer of each stream, until it has read enough. So no stream waits long for
// others, and the timers of a node run however much its clients send.
class StreamPoller final : public EventLoop::TurnEnd {
 public:
  // Size of one read. All streams share the buffer.
  static constexpr size_t kReadBytes = 256 << 10;
  // A turn begins no further read after so many bytes. A follower touches new
  // memory for each byte of an entry several times.
  static constexpr size_t kTurnBytes = 256 << 10;
  // A read or a send of a queue counts as so many bytes at least.
  static constexpr size_t kTransferBytesMin = 512;
  // A turn begins no further send on streams that are not urgent after so many
  // bytes; the rest waits for the next turn. Thousands of slow readers may
  // begin to read at once, and one pipeline may ask for many megabytes. An
  // urgent stream sends so many bytes in each turn, whatever others send.
  static constexpr size_t kTurnSentBytes = 1 << 20;
  // Limit of one send on such a stream.
  static constexpr size_t kSendBytes = 256 << 10;
  // The first send of a stream takes so many bytes in any case. So a short
  // reply does not wait behind long ones.
  static constexpr size_t kFirstSendBytesMin = 16 << 10;

  // A turn takes so many steps of handshakes at most, after all other reads.
  // One takes about as long as a hundred small requests.
  static constexpr int kTurnHandshakes = 4;

  // A stream. Must be removed before it is destroyed.
  class Watcher {
   public:
    // Called in step 1 of a turn, with the events of epoll.
    virtual void OnReady(uint32_t events) = 0;
    // Reads at most kReadBytes once, after QueueRead. Returns the number of
    // bytes that were read.
    virtual size_t OnRead() = 0;
    // Sends what the kernel takes, at most `bytes_max` bytes, after QueueSend.
    // Returns the number of bytes that were sent.
    virtual size_t OnSend(size_t bytes_max) = 0;
    // The same at the end of a turn in which Flush was called.
    virtual size_t OnFlush(size_t bytes_max) = 0;

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
  // Calls OnRead soon: in this turn or in a later one, in the order of these
  // calls. Requires: the watcher is not in the queue.
  void QueueRead(Watcher* watcher);
  // The same for a read that is a step of a handshake.
  void QueueHandshake(Watcher* watcher);
  // The same with OnSend, of urgent watchers first.
  void QueueSend(Watcher* watcher, bool urgent);
  // Calls OnFlush at the end of this turn, of urgent watchers first.
  void Flush(Watcher* watcher, bool urgent);

  // May be used during a call of OnRead.
  char* read_buffer() { return read_buffer_.get(); }
  // The same of a stream that is encrypted, for the bytes of one read when they
  // are decrypted.
  char* plain_buffer();
  // May be used during any call: encrypted bytes that are about to be sent, and
  // bytes that fill one record.
  std::string& sealed_buffer() { return sealed_buffer_; }
  std::string& record_buffer() { return record_buffer_; }
  EventLoop& loop() { return loop_; }

 private:
  struct Epoll;

  void Wait();
  // Asks once for events, and reports them. Returns their number.
  int TakeEvents();
  // Takes events, sends and reads. Then takes and reads what has come since.
  void Dispatch();
  // Sends and reads.
  void Transfer();
  void Send();
  void Read();
  // The next turn goes on if something is left.
  void EndTransfers();
  // Gives a new turn its budgets.
  void RefreshBudgets();
  // Goes on in the next turn.
  void Continue();
  void OnTurnEnd() override;

  EventLoop& loop_;
  const std::unique_ptr<char[]> read_buffer_;
  std::unique_ptr<char[]> plain_buffer_;  // Null until it is used.
  std::string sealed_buffer_;
  std::string record_buffer_;
  // Null entries were removed meanwhile.
  std::deque<Watcher*> reads_;
  std::deque<Watcher*> handshakes_;
  std::deque<Watcher*> urgent_sends_;
  std::deque<Watcher*> sends_;
  std::vector<Watcher*> urgent_flush_;
  std::vector<Watcher*> flush_;
  uint64_t turn_ = 0;
  // The bytes that turn `turn_` may still read and send.
  size_t read_budget_ = 0;
  size_t send_budget_ = 0;
  int handshakes_left_ = 0;
  // How often it may still ask for events.
  int asks_left_ = 0;
  // Dispatch or Transfer is running.
  bool in_turn_ = false;
  // epoll may have further events, and does not report that again.
  bool more_events_ = false;
  bool continues_ = false;  // next_turn_ is set.
  env::Pending next_turn_;
  const std::unique_ptr<Epoll> epoll_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_STREAM_POLLER_H_
