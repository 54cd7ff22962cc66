#include "net/streams/sockets.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/host_port.h"
#include "net/disk/posix_file.h"
#include "net/event_loop/callback_table.h"
#include "net/streams/stream.h"
#include "net/streams/stream_poller.h"

namespace quorate::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using Executor = asio::io_context::executor_type;
using TcpAcceptor = asio::basic_socket_acceptor<tcp, Executor>;
using TcpSocket = asio::basic_stream_socket<tcp, Executor>;
using TcpResolver = asio::ip::basic_resolver<tcp, Executor>;

// About so many connections are accepted in one turn: each takes several system
// calls, and thousands may come at once.
constexpr int kTurnAcceptsMax = 64;
// Pause before accepting again after the process ran out of descriptors.
constexpr Duration kAcceptRetry = Milliseconds(100);
// A listener logs such an error at most once in this time.
constexpr Duration kAcceptLogPause = Seconds(10);

std::string Format(const tcp::endpoint& endpoint) {
  return FormatHostPort(endpoint.address().to_string(), endpoint.port());
}

void SetOption(int fd, int level, int name, int value) {
  // A socket without this option works too.
  (void)setsockopt(fd, level, name, &value, sizeof(value));
}

void KeepAlive(int fd, Duration idle) {
  const auto seconds = static_cast<int>(idle.ms() / 1000);
  if (seconds == 0) return;
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 3));
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

// From here on the poller of the stream watches the socket.
OwnedFd Detach(TcpSocket& socket) {
  error_code ignored;
  return OwnedFd(socket.release(ignored));
}

}  // namespace

// A "host:port" that is dialled and must be looked up.
class Sockets::Name final : public std::enable_shared_from_this<Name> {
 public:
  explicit Name(Core& core);

  // Calls dial->OnLookedUp, now or later. One lookup is for all dials.
  void LookUp(const HostPort& name, const std::shared_ptr<Dial>& dial);
  // The addresses of the last lookup that worked; empty if none did.
  const std::vector<tcp::endpoint>& endpoints() const { return endpoints_; }
  // The address to begin with, if there are several. It is the last one that
  // worked, or the one behind the last one that was tried.
  void set_first(const tcp::endpoint& first) { first_ = first; }
  const std::optional<tcp::endpoint>& first() const { return first_; }

 private:
  void OnResult(const error_code& error,
                const tcp::resolver::results_type& results);

  TcpResolver resolver_;
  std::vector<std::weak_ptr<Dial>> waiting_;
  bool under_way_ = false;
  std::vector<tcp::endpoint> endpoints_;
  std::optional<tcp::endpoint> first_;
};

struct Sockets::Core {
  Core(EventLoop& l, env::Tracer& t, const SocketOptions& o)
      : loop(l), tracer(t), options(o), poller(l) {}

  EventLoop& loop;
  env::Tracer& tracer;
  const SocketOptions options;
  StreamPoller poller;
  // The connections that all listeners accepted in this turn.
  uint64_t accepts_turn = 0;
  int accepts = 0;
  CallbackTable<std::shared_ptr<Dial>> dials;
  std::map<std::string, std::shared_ptr<Name>> names;
};

// One attempt to connect. Owned by the table of dials, so cancelling its
// Pending closes its socket.
class Sockets::Dial final : public std::enable_shared_from_this<Dial> {
 public:
  Dial(Core& core, std::string address, Secure secure, Connected connected)
      : core_(core),
        address_(std::move(address)),
        secure_(std::move(secure)),
        connected_(std::move(connected)),
        turn_(core.loop.turn()),
        socket_(core.loop.context()) {}

  void Start(uint64_t id) {
    id_ = id;
    const absl::StatusOr<HostPort> to = ParseHostPort(address_);
    if (!to.ok()) {
      Finish(to.status());
      return;
    }
    error_code not_numeric;
    const asio::ip::address host =
        asio::ip::make_address(to->host, not_numeric);
    if (!not_numeric) {
      endpoints_ = {tcp::endpoint(host, to->port)};
      TryNext(error_code());
      return;
    }
    std::shared_ptr<Name>& name = core_.names[address_];
    if (name == nullptr) name = std::make_shared<Name>(core_);
    name_ = name;
    if (!name_->endpoints().empty()) {
      give_up_ =
          core_.loop.At(core_.loop.ReadClock().mono + core_.options.lookup_max,
                        [this] { OnLookedUp(error_code()); });
    }
    name_->LookUp(*to, shared_from_this());
  }

  // A lookup ended, or takes longer than this dial waits. If it failed, the
  // earlier addresses may still be right.
  void OnLookedUp(const error_code& error) {
    if (!endpoints_.empty()) return;
    endpoints_ = name_->endpoints();
    BeginWithFirst();
    TryNext(error);
  }

 private:
  void BeginWithFirst() {
    if (!name_->first().has_value()) return;
    const auto at =
        std::find(endpoints_.begin(), endpoints_.end(), *name_->first());
    if (at != endpoints_.end()) {
      std::rotate(endpoints_.begin(), at, endpoints_.end());
    }
  }

  void TryNext(const error_code& last_error) {
    if (next_ == endpoints_.size()) {
      Finish(absl::UnavailableError("connecting to " + address_ + ": " +
                                    last_error.message()));
      return;
    }
    const size_t tried = next_++;
    // The caller may give up before this attempt ends.
    SetFirst((tried + 1) % endpoints_.size());
    // The kernel would take minutes to find out that nothing answers.
    give_up_ = env::Pending();
    if (next_ < endpoints_.size()) {
      give_up_ =
          core_.loop.At(core_.loop.ReadClock().mono + core_.options.address_max,
                        [this] { TryNext(asio::error::timed_out); });
    }
    error_code ignored;
    socket_.close(ignored);
    socket_.async_connect(endpoints_[tried], [weak = weak_from_this(),
                                              tried](const error_code& error) {
      const std::shared_ptr<Dial> dial = weak.lock();
      // An attempt that was given up says so later.
      if (dial == nullptr || dial->next_ != tried + 1) return;
      if (error) {
        dial->TryNext(error);
      } else {
        dial->SetFirst(tried);
        dial->Finish(absl::OkStatus());
      }
    });
  }

  void SetFirst(size_t endpoint) {
    if (endpoints_.size() < 2) return;
    name_->set_first(endpoints_[endpoint]);
  }

  void Finish(absl::Status status) {
    give_up_ = env::Pending();
    // Never reported in the turn that asked for the connection.
    if (core_.loop.turn() == turn_) {
      core_.loop.Post([weak = weak_from_this(), status]() mutable {
        const std::shared_ptr<Dial> dial = weak.lock();
        if (dial != nullptr) dial->Finish(std::move(status));
      });
      return;
    }
    const std::shared_ptr<Dial> self = core_.dials.Take(id_);
    if (self == nullptr) return;
    if (!status.ok()) {
      connected_(std::move(status));
      return;
    }
    const int fd = socket_.native_handle();
    SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
              static_cast<int>(core_.options.user_timeout_dialed.ms()));
    KeepAlive(fd, core_.options.keep_alive_dialed);
    connected_(MakeConnection(core_.poller, Detach(socket_), address_,
                              /*dialed=*/true, secure_()));
  }

  Core& core_;
  const std::string address_;
  const Secure secure_;
  Connected connected_;
  const uint64_t turn_;
  uint64_t id_ = 0;
  std::shared_ptr<Name> name_;  // Null: a numeric address.
  TcpSocket socket_;
  std::vector<tcp::endpoint> endpoints_;
  size_t next_ = 0;  // The endpoint to try next.
  env::Pending give_up_;
};

Sockets::Name::Name(Core& core) : resolver_(core.loop.context()) {}

void Sockets::Name::LookUp(const HostPort& name,
                           const std::shared_ptr<Dial>& dial) {
  std::erase_if(waiting_, [](const auto& other) { return other.expired(); });
  waiting_.push_back(dial);
  if (std::exchange(under_way_, true)) return;
  resolver_.async_resolve(
      name.host, std::to_string(name.port),
      [weak = weak_from_this()](const error_code& error,
                                const tcp::resolver::results_type& results) {
        const std::shared_ptr<Name> self = weak.lock();
        if (self != nullptr) self->OnResult(error, results);
      });
}

void Sockets::Name::OnResult(const error_code& error,
                             const tcp::resolver::results_type& results) {
  under_way_ = false;
  if (!results.empty()) endpoints_.clear();
  for (const auto& result : results) endpoints_.push_back(result.endpoint());
  for (const std::weak_ptr<Dial>& weak : std::exchange(waiting_, {})) {
    const std::shared_ptr<Dial> dial = weak.lock();
    if (dial != nullptr) dial->OnLookedUp(error);
  }
}

class Sockets::Acceptor final : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(Core& core, Secure secure, Accept accept)
      : core_(core),
        secure_(std::move(secure)),
        accept_(std::move(accept)),
        acceptor_(core.loop.context()) {}

  absl::Status Open(const std::string& address) {
    const absl::StatusOr<HostPort> at = ParseHostPort(address);
    if (!at.ok()) return at.status();
    error_code error;
    tcp::endpoint endpoint(asio::ip::make_address(at->host, error), at->port);
    if (error) {
      // A host name. Blocking is allowed at start-up.
      TcpResolver resolver(core_.loop.context());
      const auto results =
          resolver.resolve(at->host, std::to_string(at->port), error);
      if (error || results.empty()) {
        return absl::InvalidArgumentError("cannot listen on " + address +
                                          ": unknown host '" + at->host + "'");
      }
      endpoint = results.begin()->endpoint();
    }
    acceptor_.open(endpoint.protocol(), error);
    if (!error) {
      SetOption(acceptor_.native_handle(), SOL_SOCKET, SO_REUSEADDR, 1);
      acceptor_.bind(endpoint, error);
    }
    // Else Asio hides that a connection was aborted, and waits for the next one
    // while others are in the queue.
    if (!error) {
      acceptor_.set_option(TcpAcceptor::enable_connection_aborted(true), error);
    }
    if (!error) acceptor_.listen(core_.options.listen_backlog, error);
    if (!error) address_ = Format(acceptor_.local_endpoint(error));
    if (!error) return absl::OkStatus();
    if (error == asio::error::address_in_use) {
      return absl::UnavailableError("cannot listen on " + address +
                                    ": the port is in use by another process");
    }
    const std::string message =
        "cannot listen on " + address + ": " + error.message();
    if (error == asio::error::access_denied ||
        error == boost::system::errc::address_not_available) {
      return absl::InvalidArgumentError(message);
    }
    return absl::UnavailableError(message);
  }

  void Next() {
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& error, TcpSocket socket) {
          self->OnAccepted(error, std::move(socket));
        });
  }

  void Close() {
    retry_ = env::Pending();
    error_code ignored;
    acceptor_.close(ignored);
  }

  const std::string& address() const { return address_; }

 private:
  void OnAccepted(const error_code& error, TcpSocket socket) {
    if (!acceptor_.is_open()) return;
    const bool last = CountAccept();
    if (!error) {
      Admit(std::move(socket));
    } else if (!IsOfThePeer(error)) {
      LogFailure(error);
      retry_ = core_.loop.At(core_.loop.ReadClock().mono + kAcceptRetry,
                             [this] { Next(); });
      return;
    }
    if (!acceptor_.is_open()) return;
    if (!last) return Next();
    retry_ = core_.loop.At(core_.loop.ReadClock().mono, [this] { Next(); });
  }

  void LogFailure(const error_code& error) {
    const MonoTime now = core_.loop.ReadClock().mono;
    if (now < failure_logged_at_ + kAcceptLogPause) return;
    failure_logged_at_ = now;
    core_.tracer.Log(env::Severity::kWarning,
                     "net: cannot accept a connection on " + address_ + ": " +
                         error.message());
  }

  // Whether the next connection must wait for another turn.
  bool CountAccept() {
    if (core_.accepts_turn != core_.loop.turn()) core_.accepts = 0;
    core_.accepts_turn = core_.loop.turn();
    return ++core_.accepts >= kTurnAcceptsMax;
  }

  // Whether the peer closed before it was accepted, or the network failed it.
  static bool IsOfThePeer(const error_code& error) {
    return error == asio::error::connection_aborted ||
           error == boost::system::errc::protocol_error ||
           error == asio::error::network_down ||
           error == asio::error::network_unreachable ||
           error == asio::error::host_unreachable ||
           error == asio::error::interrupted;
  }

  // Hands the connection over. May close the acceptor.
  void Admit(TcpSocket socket) {
    error_code gone;
    const tcp::endpoint peer = socket.remote_endpoint(gone);
    const int fd = socket.native_handle();
    SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
              static_cast<int>(core_.options.user_timeout_accepted.ms()));
    KeepAlive(fd, core_.options.keep_alive);
    if (!gone) {
      accept_(MakeConnection(core_.poller, Detach(socket), Format(peer),
                             /*dialed=*/false, secure_()));
    }
  }

  Core& core_;
  const Secure secure_;
  Accept accept_;
  TcpAcceptor acceptor_;
  std::string address_;
  env::Pending retry_;
  MonoTime failure_logged_at_ = MonoTime(0) - kAcceptLogPause;
};

class Sockets::ListenerEnd final : public env::Listener {
 public:
  explicit ListenerEnd(std::shared_ptr<Acceptor> acceptor)
      : acceptor_(std::move(acceptor)) {}
  ~ListenerEnd() override { acceptor_->Close(); }
  std::string address() const override { return acceptor_->address(); }

 private:
  const std::shared_ptr<Acceptor> acceptor_;
};

Sockets::Sockets(EventLoop& loop, env::Tracer& tracer,
                 const SocketOptions& options)
    : core_(std::make_unique<Core>(loop, tracer, options)) {}

Sockets::~Sockets() = default;

absl::StatusOr<std::unique_ptr<env::Listener>> Sockets::Listen(
    const std::string& address, Accept accept) {
  return ListenSecurely(
      address, [] { return StreamSecurity(); }, std::move(accept));
}

absl::StatusOr<std::unique_ptr<env::Listener>> Sockets::ListenSecurely(
    const std::string& address, Secure secure, Accept accept) {
  auto acceptor =
      std::make_shared<Acceptor>(*core_, std::move(secure), std::move(accept));
  const absl::Status opened = acceptor->Open(address);
  if (!opened.ok()) return opened;
  acceptor->Next();
  return std::make_unique<ListenerEnd>(std::move(acceptor));
}

env::Pending Sockets::Connect(const std::string& address, Connected connected) {
  return ConnectSecurely(
      address, [] { return StreamSecurity(); }, std::move(connected));
}

env::Pending Sockets::ConnectSecurely(const std::string& address, Secure secure,
                                      Connected connected) {
  const auto dial = std::make_shared<Dial>(*core_, address, std::move(secure),
                                           std::move(connected));
  const uint64_t id = core_->dials.Add(dial);
  dial->Start(id);
  return core_->dials.Handle(id);
}

}  // namespace quorate::net
