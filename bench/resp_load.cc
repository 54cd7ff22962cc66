#include "bench/resp_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kv/client/resp_reply.h"

namespace quorate::bench {
namespace {

constexpr int64_t kReplyTimeoutNs = 30'000'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr size_t kReadBytes = 64 << 10;

using Kind = kv::RespValue::Kind;
using Progress = kv::RespReplyParser::Progress;

absl::Status Errno(const char* what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::StatusOr<int> Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Errno("socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    const absl::Status status = Errno("connect");
    close(fd);
    return status;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

// One connection: its outstanding requests, oldest first, in a ring of
// `pipeline` slots, and the parser of its replies.
struct Lane {
  int fd = -1;
  uint16_t port = 0;
  struct Waiting {
    uint64_t key = 0;
    int64_t sent_ns = 0;
    uint64_t moved = 0;  // Its MOVED replies.
  };
  std::vector<Waiting> ring;
  size_t first = 0;
  size_t waiting = 0;
  kv::RespReplyParser replies;
  // Requests that were answered with MOVED, and the port that the last of these
  // replies named.
  std::vector<Waiting> again;
  uint16_t moved_to = 0;
  int64_t due_ns = 0;   // With a rate: the time of the next pipeline.
  int of_pipeline = 0;  // How many of its requests have begun.
};

// The port of "MOVED 1234 127.0.0.1:7001", or 0 for any other text.
uint16_t MovedTo(std::string_view error) {
  const size_t host = error.find(" 127.0.0.1:");
  if (!error.starts_with("MOVED ") || host == error.npos) return 0;
  const std::string_view port = error.substr(host + 11);
  uint16_t number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  return number;
}

// Returns the text of a reply, with the leading '-' of an error.
std::string TextOf(const kv::RespValue& reply) {
  switch (reply.kind) {
    case Kind::kError:
      return absl::StrCat("-", reply.text);
    case Kind::kString:
      return reply.text;
    case Kind::kInteger:
      return absl::StrCat(reply.integer);
    case Kind::kNil:
      return "(nil)";
    case Kind::kArray:
      return "(array)";
  }
  return "";
}

class RespLoad {
 public:
  RespLoad(uint16_t port, const Workload& workload)
      : workload_(workload),
        corpus_(workload),
        lanes_(static_cast<size_t>(workload.connections)) {
    for (Lane& lane : lanes_) {
      lane.port = port;
      lane.ring.resize(static_cast<size_t>(workload.pipeline));
    }
  }
  ~RespLoad() {
    for (const Lane& lane : lanes_) {
      if (lane.fd >= 0) close(lane.fd);
    }
    if (epoll_ >= 0) close(epoll_);
  }
  RespLoad(const RespLoad&) = delete;
  RespLoad& operator=(const RespLoad&) = delete;

  absl::StatusOr<Measurement> Run();

 private:
  absl::Status Open();
  absl::Status OpenLane(Lane& lane, uint16_t port);
  // Reconnects the lane to the port of its MOVED replies. Requires: no request
  // is outstanding on it.
  absl::Status FollowMoved(Lane& lane);
  // Fills the lane's ring with new requests and sends them in one call.
  absl::Status Refill(Lane& lane, int64_t now_ns);
  absl::Status OnReadable(Lane& lane);
  void OnReply(const kv::RespValue& reply, Lane& lane, int64_t now_ns);
  void AddToSecond(uint64_t latency_ns, int64_t now_ns);
  void AppendRequest(uint64_t key);
  bool paced() const { return workload_.requests_per_second > 0; }
  void Fail(std::string why);

  const Workload workload_;
  Corpus corpus_;
  int epoll_ = -1;
  std::vector<Lane> lanes_;
  std::string out_;
  std::unique_ptr<char[]> in_ = std::make_unique<char[]>(kReadBytes);
  size_t waiting_ = 0;
  bool closing_ = false;
  int64_t begin_ns_ = 0;  // Start of the measured time.
  int64_t end_ns_ = 0;
  int64_t interval_ns_ = 0;  // With a rate: of one connection.
  Histogram second_;         // The latencies of the present second.
  int64_t second_ends_ns_ = 0;
  Measurement measurement_;
};

absl::Status RespLoad::Open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return Errno("epoll_create1");
  for (Lane& lane : lanes_) {
    if (absl::Status s = OpenLane(lane, lane.port); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status RespLoad::OpenLane(Lane& lane, uint16_t port) {
  absl::StatusOr<int> fd = Connect(port);
  if (!fd.ok()) return fd.status();
  if (lane.fd >= 0) close(lane.fd);
  lane.fd = *fd;
  lane.replies = kv::RespReplyParser();
  lane.port = port;
  epoll_event event = {.events = EPOLLIN, .data = {.ptr = &lane}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event) != 0) {
    return Errno("epoll_ctl");
  }
  return absl::OkStatus();
}

absl::Status RespLoad::FollowMoved(Lane& lane) {
  measurement_.moved += lane.again.size();
  if (lane.moved_to != lane.port) return OpenLane(lane, lane.moved_to);
  return absl::OkStatus();
}

void RespLoad::AppendRequest(uint64_t key) {
  if (workload_.op == Workload::Op::kGet) {
    out_.append("*2\r\n$3\r\nGET\r\n$16\r\n");
    out_.resize(out_.size() + kKeyBytes);
    corpus_.WriteKey(key, out_.data() + out_.size() - kKeyBytes);
  } else {
    out_.append("*3\r\n$3\r\nSET\r\n$16\r\n");
    out_.resize(out_.size() + kKeyBytes);
    corpus_.WriteKey(key, out_.data() + out_.size() - kKeyBytes);
    absl::StrAppend(&out_, "\r\n$", workload_.value_bytes, "\r\n");
    out_.resize(out_.size() + workload_.value_bytes);
    corpus_.WriteValue(key, out_.data() + out_.size() - workload_.value_bytes);
  }
  out_.append("\r\n");
}

absl::Status RespLoad::Refill(Lane& lane, int64_t now_ns) {
  out_.clear();
  for (const Lane::Waiting& request : lane.again) {
    lane.ring[(lane.first + lane.waiting) % lane.ring.size()] = request;
    ++lane.waiting;
    AppendRequest(request.key);
  }
  lane.again.clear();
  while (!closing_ && lane.waiting < lane.ring.size() &&
         (!paced() || lane.due_ns <= now_ns)) {
    uint64_t key;
    if (!corpus_.Next(&key)) {
      closing_ = true;
      break;
    }
    lane.ring[(lane.first + lane.waiting) % lane.ring.size()] = {
        key, paced() ? lane.due_ns : now_ns};
    if (++lane.of_pipeline == workload_.pipeline) {
      lane.of_pipeline = 0;
      lane.due_ns += interval_ns_;
    }
    ++lane.waiting;
    ++waiting_;
    AppendRequest(key);
  }
  // The socket is in blocking mode. The outstanding requests of one connection
  // always fit its buffers, so send() does not block.
  size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t n =
        send(lane.fd, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("send");
    sent += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

void RespLoad::Fail(std::string why) {
  ++measurement_.errors;
  if (why.starts_with("UNKNOWN") || why.starts_with("-UNKNOWN")) {
    ++measurement_.unknown;
  }
  if (measurement_.first_error.empty()) {
    measurement_.first_error = std::move(why);
  }
}

void RespLoad::OnReply(const kv::RespValue& reply, Lane& lane, int64_t now_ns) {
  const Lane::Waiting request = lane.ring[lane.first];
  lane.first = (lane.first + 1) % lane.ring.size();
  --lane.waiting;
  if (const uint16_t port = reply.is_error() ? MovedTo(reply.text) : 0;
      port != 0) {
    lane.again.push_back(request);
    const uint64_t moved = ++lane.again.back().moved;
    measurement_.most_moved = std::max(measurement_.most_moved, moved);
    lane.moved_to = port;
    return;
  }
  --waiting_;
  const bool good = reply.kind == Kind::kString &&
                    (workload_.op == Workload::Op::kSet
                         ? reply.text == "OK"
                         : corpus_.IsValueOf(request.key, reply.text));
  if (!good) {
    Fail(TextOf(reply).substr(0, 200));
    return;
  }
  ++measurement_.replies;
  if (now_ns >= begin_ns_ && now_ns < end_ns_) {
    const auto latency_ns = static_cast<uint64_t>(now_ns - request.sent_ns);
    measurement_.latency_ns.Add(latency_ns);
    AddToSecond(latency_ns, now_ns);
  }
}

void RespLoad::AddToSecond(uint64_t latency_ns, int64_t now_ns) {
  if (now_ns >= second_ends_ns_) {
    if (second_.count() > 0) {
      measurement_.p99_of_seconds_ns.push_back(second_.Percentile(9900));
    }
    second_ = Histogram();
    second_ends_ns_ = now_ns + kSecondNs;
  }
  second_.Add(latency_ns);
}

absl::Status RespLoad::OnReadable(Lane& lane) {
  const ssize_t n = recv(lane.fd, in_.get(), kReadBytes, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (n < 0) return Errno("recv");
  if (n == 0) return absl::UnavailableError("the server closed a connection");
  const int64_t now_ns = MonotonicNanos();
  const std::string_view input(in_.get(), static_cast<size_t>(n));
  lane.replies.Append(input);
  kv::RespValue reply;
  Progress progress;
  while ((progress = lane.replies.Next(&reply)) == Progress::kValue) {
    if (lane.waiting == 0) break;
    OnReply(reply, lane, now_ns);
  }
  if (progress != Progress::kNeedMore) {
    return absl::DataLossError(absl::StrCat("not the replies to the requests: ",
                                            std::string(input.substr(0, 100))));
  }
  if (!lane.again.empty()) {
    if (lane.waiting > 0) return absl::OkStatus();
    if (absl::Status s = FollowMoved(lane); !s.ok()) return s;
  }
  return Refill(lane, now_ns);
}

absl::StatusOr<Measurement> RespLoad::Run() {
  if (absl::Status status = Open(); !status.ok()) return status;
  const int64_t start_ns = MonotonicNanos();
  begin_ns_ = start_ns + workload_.warmup_ns;
  end_ns_ = workload_.fill ? INT64_MAX : begin_ns_ + workload_.measure_ns;
  if (paced()) {
    const double each = static_cast<double>(lanes_.size()) * 1e9 *
                        workload_.pipeline / workload_.requests_per_second;
    interval_ns_ = static_cast<int64_t>(each);
    for (size_t i = 0; i < lanes_.size(); ++i) {
      lanes_[i].due_ns = start_ns + interval_ns_ * static_cast<int64_t>(i) /
                                        static_cast<int64_t>(lanes_.size());
    }
  }
  for (Lane& lane : lanes_) {
    if (absl::Status s = Refill(lane, MonotonicNanos()); !s.ok()) return s;
  }
  std::vector<epoll_event> events(std::max<size_t>(lanes_.size(), 1));
  int64_t last_reply_ns = MonotonicNanos();
  uint64_t answered = 0;  // MOVED replies do not count.
  while (waiting_ > 0 || !closing_) {
    const int ready =
        epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                   paced() ? 1 : 100);
    if (ready < 0 && errno != EINTR) return Errno("epoll_wait");
    const int64_t now_ns = MonotonicNanos();
    if (now_ns >= end_ns_ || Interrupted() ||
        (workload_.stop != nullptr && *workload_.stop)) {
      closing_ = true;
    }
    const uint64_t now_answered = measurement_.replies + measurement_.errors;
    if (std::exchange(answered, now_answered) != now_answered) {
      last_reply_ns = now_ns;
    }
    if (now_ns - last_reply_ns > kReplyTimeoutNs) {
      return absl::DeadlineExceededError("no reply for 30 s");
    }
    if (paced()) {
      for (Lane& lane : lanes_) {
        if (lane.waiting > 0 || lane.due_ns > now_ns) continue;
        if (absl::Status s = Refill(lane, now_ns); !s.ok()) return s;
      }
    }
    for (int i = 0; i < ready; ++i) {
      if (absl::Status s = OnReadable(*static_cast<Lane*>(events[i].data.ptr));
          !s.ok()) {
        return s;
      }
    }
  }
  const int64_t took_ns = MonotonicNanos() - begin_ns_;
  measurement_.elapsed_ns =
      workload_.fill ? took_ns : std::min(took_ns, workload_.measure_ns);
  return std::move(measurement_);
}

}  // namespace

absl::StatusOr<Measurement> RunRespLoad(uint16_t port,
                                        const Workload& workload) {
  return RespLoad(port, workload).Run();
}

absl::StatusOr<std::string> AskResp(uint16_t port, const std::string& request) {
  absl::StatusOr<int> fd = Connect(port);
  if (!fd.ok()) return fd.status();
  const timeval timeout = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  const std::vector<std::string> arguments = absl::StrSplit(request, ' ');
  std::string out;
  kv::AppendRespCommand(
      std::vector<std::string_view>(arguments.begin(), arguments.end()), &out);
  bool open = send(*fd, out.data(), out.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(out.size());
  kv::RespReplyParser parser;
  kv::RespValue reply;
  while (open && parser.Next(&reply) == Progress::kNeedMore) {
    char bytes[4096];
    const ssize_t n = recv(*fd, bytes, sizeof(bytes), 0);
    if (n <= 0) open = false;
    if (n > 0) parser.Append(std::string_view(bytes, static_cast<size_t>(n)));
  }
  close(*fd);
  if (!open) return absl::UnavailableError("no reply");
  return TextOf(reply);
}

}  // namespace quorate::bench
