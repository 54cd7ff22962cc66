// Streams whose system calls fail: connections that cannot be accepted or
// watched.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "gtest/gtest.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/clock.h"
#include "net/streams/sockets.h"
#include "net/testing/testing.h"

namespace {

// How many calls fail from now on, with which error, and how many were made.
int failing_accepts = 0;
int error_of_accepts = EMFILE;
int accepts = 0;
int failing_watches = 0;
// The poller of streams gets as many events as it asks for, this many times.
// None of them is of a stream.
int floods = 0;
int polls = 0;
// Names resolve to these addresses, in this order, if there are any. A lookup
// takes so long, waits until it is let go, and may fail.
std::vector<std::string> addresses_of_names;
std::atomic<int> lookup_ms = 0;
std::atomic<bool> lookups_wait = false;
std::atomic<bool> lookups_fail = false;

int Accept(int fd, sockaddr* address, socklen_t* size, int flags) {
  using Call = int (*)(int, sockaddr*, socklen_t*, int);
  static const auto real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "accept4"));
  ++accepts;
  if (failing_accepts > 0) {
    --failing_accepts;
    errno = error_of_accepts;
    return -1;
  }
  return real(fd, address, size, flags);
}

}  // namespace

// They replace those of the C library.
extern "C" int accept(int fd, sockaddr* address, socklen_t* size) {
  return Accept(fd, address, size, 0);
}
extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return Accept(fd, address, size, flags);
}
extern "C" int epoll_ctl(int epoll, int operation, int fd,
                         epoll_event* event) noexcept {
  using Call = int (*)(int, int, int, epoll_event*);
  static const auto real =
      reinterpret_cast<Call>(dlsym(RTLD_NEXT, "epoll_ctl"));
  // Only streams ask for EPOLLRDHUP.
  if (operation == EPOLL_CTL_ADD && (event->events & EPOLLRDHUP) != 0 &&
      failing_watches > 0) {
    --failing_watches;
    errno = ENOSPC;
    return -1;
  }
  return real(epoll, operation, fd, event);
}
extern "C" int getaddrinfo(const char* name, const char* service,
                           const addrinfo* hints, addrinfo** results) {
  using Call = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real =
      reinterpret_cast<Call>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (addresses_of_names.empty()) return real(name, service, hints, results);
  usleep(static_cast<useconds_t>(lookup_ms) * 1000);
  while (lookups_wait) usleep(1000);
  if (lookups_fail) return EAI_AGAIN;
  addrinfo** next = results;
  for (const std::string& address : addresses_of_names) {
    const int error = real(address.c_str(), service, hints, next);
    if (error != 0) return error;
    while (*next != nullptr) next = &(*next)->ai_next;
  }
  return 0;
}
extern "C" int epoll_wait(int epoll, epoll_event* events, int count,
                          int timeout) {
  using Call = int (*)(int, epoll_event*, int, int);
  static const auto real =
      reinterpret_cast<Call>(dlsym(RTLD_NEXT, "epoll_wait"));
  // The loop asks for other numbers of events.
  if (count != 256) return real(epoll, events, count, timeout);
  ++polls;
  if (floods == 0) return real(epoll, events, count, timeout);
  --floods;
  std::fill_n(events, count, epoll_event{});
  return count;
}

namespace quorate::net {
namespace {

class Side final : public env::Connection::Observer {
 public:
  explicit Side(std::unique_ptr<env::Connection> c) : connection(std::move(c)) {
    connection->SetObserver(this);
  }
  void OnBytes(std::string_view bytes) override { received.append(bytes); }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status reason) override { closed = reason; }
  void OnDrained() override {}

  std::unique_ptr<env::Connection> connection;
  std::string received;
  bool ended = false;
  std::optional<absl::Status> closed;
};

class FailingCallsTest : public testing::Test {
 protected:
  FailingCallsTest() {
    listener_ = *sockets_.Listen(
        "127.0.0.1:0", [this](std::unique_ptr<env::Connection> connection) {
          accepted_.push_back(std::make_unique<Side>(std::move(connection)));
        });
  }
  ~FailingCallsTest() override {
    failing_accepts = failing_watches = floods = 0;
    lookup_ms = 0;
    lookups_wait = lookups_fail = false;
    error_of_accepts = EMFILE;
  }
  std::unique_ptr<Side> Dial() {
    std::unique_ptr<Side> side;
    env::Pending pending = sockets_.Connect(
        listener_->address(),
        [&](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          ASSERT_TRUE(connection.ok()) << connection.status();
          side = std::make_unique<Side>(*std::move(connection));
        });
    RunUntil(loop_, [&] { return side != nullptr; });
    return side;
  }

  EventLoop loop_;
  RecordingTracer tracer_;
  Sockets sockets_{loop_, tracer_};
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<Side>> accepted_;
};

// The connection stays in the queue of the kernel, so the call fails at once
// each time. An error that no code names may last, too.
TEST_F(FailingCallsTest, AcceptThatFailsForLong_IsTriedSeldomAndThenWorks) {
  for (const int error : {EMFILE, EPERM, EINVAL}) {
    SCOPED_TRACE(error);
    error_of_accepts = error;
    failing_accepts = 3;
    accepts = 0;
    accepted_.clear();
    const MonoTime begun = Clock::ReadMono();
    const std::unique_ptr<Side> client = Dial();
    RunUntil(loop_, [&] { return !accepted_.empty(); });
    if (HasFatalFailure()) return;
    // Three pauses of 100 ms.
    EXPECT_GE(Clock::ReadMono() - begun, Milliseconds(250));
    EXPECT_LE(accepts, 10);
    EXPECT_TRUE(tracer_.Said("net: cannot accept a connection on"));
    client->connection->Write(Buffer::Copy("x"));
    RunUntil(loop_, [&] { return accepted_[0]->received == "x"; });
  }
}

// Each such error is that of one connection, and says nothing of the next one.
TEST_F(FailingCallsTest, AcceptThatFailsBecauseOfThePeer_IsRepeatedAtOnce) {
  for (const int error : {ECONNABORTED, EPROTO, EHOSTUNREACH}) {
    SCOPED_TRACE(error);
    error_of_accepts = error;
    failing_accepts = 100;
    accepted_.clear();
    const std::unique_ptr<Side> client = Dial();
    RunUntil(loop_, [&] { return !accepted_.empty(); });
    if (HasFatalFailure()) return;
    EXPECT_EQ(failing_accepts, 0);
  }
  EXPECT_FALSE(tracer_.Said("net: cannot accept a connection on"));
}

TEST_F(FailingCallsTest, StreamThatCannotBeWatched_IsClosedAlone) {
  failing_watches = 1;
  // Either side may be the first.
  const std::unique_ptr<Side> client = Dial();
  RunUntil(loop_, [&] { return !accepted_.empty(); });
  if (HasFatalFailure()) return;
  RunUntil(loop_, [&] {
    return client->closed.has_value() || accepted_[0]->closed.has_value();
  });
  const absl::Status why =
      client->closed.has_value() ? *client->closed : *accepted_[0]->closed;
  EXPECT_NE(std::string(why.message()).find("watching"), std::string::npos)
      << why;
  const std::unique_ptr<Side> other = Dial();
  RunUntil(loop_, [&] { return accepted_.size() == 2; });
  other->connection->Write(Buffer::Copy("x"));
  RunUntil(loop_, [&] { return accepted_[1]->received == "x"; });
}

// Sockets of an address that answers no dial: the queue of its listener is
// full.
class SilentAddress {
 public:
  SilentAddress(const std::string& host, int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    for (OwnedFd& socket : sockets_) {
      socket = OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    }
    EXPECT_EQ(bind(sockets_[0].get(), at, sizeof(address)), 0);
    EXPECT_EQ(listen(sockets_[0].get(), 0), 0);
    for (size_t i = 1; i < std::size(sockets_); ++i) {
      (void)connect(sockets_[i].get(), at, sizeof(address));
    }
  }

 private:
  OwnedFd sockets_[4];
};

// Dials `name` until it is connected. Each dial ends after `dial_max`.
// Returns the number of dials.
int DialsUntilConnected(EventLoop& loop, Sockets& sockets,
                        const std::string& name, Duration dial_max) {
  bool connected = false;
  int dials = 0;
  while (!connected && dials < 10) {
    ++dials;
    bool ended = false;
    const env::Pending dial = sockets.Connect(
        name, [&](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          ended = true;
          connected = connection.ok();
        });
    const MonoTime end = Clock::ReadMono() + dial_max;
    while (!ended && Clock::ReadMono() < end) loop.RunTurn(Milliseconds(1));
  }
  return connected ? dials : -1;
}

TEST_F(FailingCallsTest, NameWhoseFirstAddressesAreSilent_IsReached) {
  const std::string bound = listener_->address();
  const std::string port = bound.substr(bound.rfind(':'));
  const SilentAddress second("127.0.0.2", std::stoi(port.substr(1)));
  const SilentAddress third("127.0.0.3", std::stoi(port.substr(1)));
  Sockets sockets(loop_, tracer_, {.address_max = Milliseconds(50)});
  addresses_of_names = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, "a" + port, Seconds(1)), 1);
  // A dial begins behind the address at which the one before was given up.
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, "b" + port, Milliseconds(30)),
            3);
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, "b" + port, Milliseconds(30)),
            1);
  addresses_of_names = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, "b" + port, Milliseconds(30)),
            1);
}

// A nameserver is dead, and the next one is asked after some seconds.
TEST_F(FailingCallsTest, LookupThatTakesLongerThanADial_IsUsedByTheNext) {
  addresses_of_names = {"127.0.0.1"};
  lookup_ms = 400;
  const std::string bound = listener_->address();
  const std::string name = "slow" + bound.substr(bound.rfind(':'));
  Sockets sockets(loop_, tracer_, {.lookup_max = Milliseconds(10)});
  EXPECT_GT(DialsUntilConnected(loop_, sockets, name, Milliseconds(250)), 0);
  // It is known by now.
  lookups_wait = true;
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, name, Seconds(20)), 1);
  lookups_wait = false;
  lookup_ms = 0;
  lookups_fail = true;
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, name, Seconds(20)), 1);
  EXPECT_EQ(DialsUntilConnected(loop_, sockets, "no" + name, Seconds(20)), -1);
}

// Thousands of streams have events at once. Timers must run between them.
TEST_F(FailingCallsTest, EventsWithoutEnd_AreAskedForFourTimesInATurn) {
  const std::unique_ptr<Side> client = Dial();
  RunUntil(loop_, [&] { return !accepted_.empty(); });
  if (HasFatalFailure()) return;
  floods = 1000;
  client->connection->Write(Buffer::Copy("x"));
  RunUntil(loop_, [&] { return floods < 1000; });
  for (int turn = 0; turn < 20; ++turn) {
    polls = 0;
    loop_.RunTurn(Milliseconds(1));
    EXPECT_EQ(polls, 4);
  }
  EXPECT_TRUE(accepted_[0]->received.empty());
  floods = 0;
  RunUntil(loop_, [&] { return accepted_[0]->received == "x"; });
}

}  // namespace
}  // namespace quorate::net
