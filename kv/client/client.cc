#include "kv/client/client.h"

#include <algorithm>
#include <deque>
#include <initializer_list>
#include <map>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/check.h"
#include "env/pending.h"
#include "kv/client/client_session.h"
#include "kv/client/resp_link.h"
#include "kv/client/slot_routes.h"
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
#include "kv/slots/slot.h"

namespace quorate::kv {
namespace {

// The least time between two requests for the slot map.
constexpr Duration kRefreshInterval = Milliseconds(100);
// Commands use a new session after this time. Servers refuse an old session in
// slots where it is new, after the open window of SessionRules. The time falls
// to half of a session's age when the session is refused, since the window of
// the cluster is shorter. It grows again with each new session.
constexpr Duration kSessionFresh = SessionRules().open_window / 2;
constexpr Duration kSessionFreshMin = Milliseconds(50);
// The most sessions in use at a time. Each covers a window of
// kSessionOutstandingMax commands, for which a slot keeps results.
constexpr size_t kClientSessionsMax = 16;

constexpr Duration kReadBoundMin = Milliseconds(1);
constexpr Duration kReadBoundMax = Seconds(24 * 3600);

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// The meaning of an error reply for its try. Only the last two kinds apply to
// earlier tries too.
enum class ErrorKind : uint8_t {
  kRefused,         // Not executed: the command itself was refused.
  kMoved,           // Not executed: another node serves the slot.
  kAgain,           // Not executed: retry later, or elsewhere.
  kMaybe,           // May have been executed.
  kSessionExpired,  // Not executed.
  kNoEffect,        // The only execution of the command changed nothing.
  kDoneBefore,      // An earlier try was executed; its reply is lost.
};

bool StartsWithAny(std::string_view text,
                   std::initializer_list<std::string_view> prefixes) {
  return std::any_of(
      prefixes.begin(), prefixes.end(),
      [text](std::string_view prefix) { return StartsWith(text, prefix); });
}

// SESSION_REUSED and SESSION_STALE are refusals: an earlier try may have used
// up the number of the command.
ErrorKind Classify(std::string_view error) {
  if (StartsWith(error, "MOVED ")) return ErrorKind::kMoved;
  if (StartsWith(error, "UNKNOWN ")) return ErrorKind::kMaybe;
  if (StartsWith(error, "SESSION_EXPIRED")) return ErrorKind::kSessionExpired;
  if (StartsWith(error, "RESULT_NOT_KEPT")) return ErrorKind::kDoneBefore;
  if (StartsWithAny(error,
                    {"CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN",
                     "READONLY", "MISCONF", "SESSION_FULL", "SESSION_LIMIT",
                     "ERR max number of clients reached"})) {
    return ErrorKind::kAgain;
  }
  // Only the store sends these texts, and the session keeps them for every
  // other try. Other texts of the store, such as "ERR value is not an integer",
  // may also come from nodes that did not look at the session.
  if (StartsWithAny(
          error, {"WRONGTYPE ", "ERR increment or decrement would overflow"})) {
    return ErrorKind::kNoEffect;
  }
  return ErrorKind::kRefused;
}

// The words that give a connection this consistency. Empty: a new one has it.
std::string TextOf(const ReadConsistency& consistency) {
  switch (consistency.level) {
    case ReadConsistency::Level::kLinearizable:
      return "";
    case ReadConsistency::Level::kBounded:
      return absl::StrCat("BOUNDED ", consistency.bound.ms());
    case ReadConsistency::Level::kEventual:
      return "EVENTUAL";
  }
  return "";
}

absl::Status Check(const ClientRequest& request) {
  const ReadConsistency& read = request.consistency;
  if (read.level == ReadConsistency::Level::kLinearizable) {
    return absl::OkStatus();
  }
  if (!request.read_only || !request.key.has_value()) {
    return absl::InvalidArgumentError(
        "not sent: only a read with a key has a consistency");
  }
  if (read.level == ReadConsistency::Level::kBounded &&
      (read.bound < kReadBoundMin || read.bound > kReadBoundMax)) {
    return absl::InvalidArgumentError(
        "not sent: the bound of a read is 1 ms to 24 h");
  }
  return absl::OkStatus();
}

}  // namespace

class Client::Impl {
 public:
  Impl(env::Loop& loop, env::Streams& streams, Random random,
       ClientOptions options)
      : loop_(loop),
        streams_(streams),
        random_(random),
        options_(std::move(options)),
        routes_(options_.seeds, options_.zone) {
    CHECK_GT(options_.outstanding_max, 0u);
  }

  void Do(ClientRequest request, Done done);
  size_t outstanding() const { return requests_.size(); }
  const Counters& counters() const { return counters_; }

 private:
  struct Request {
    uint64_t id = 0;
    ClientRequest what;
    Done done;
    std::optional<Slot> slot;
    MonoTime deadline;
    env::Pending deadline_timer;
    // For the current try, or for the pause before the next.
    env::Pending timer;
    bool trying = false;  // The request left waiting_.
    // Counts the tries. The number distinguishes the reply to the current try
    // from late replies.
    uint32_t attempts = 0;
    uint32_t redirects = 0;
    RespLink* link = nullptr;  // Set while a try is in flight.
    uint64_t command = 0;      // The number of the try at this link.
    std::string server = {};   // The server of the last try.
    bool maybe_applied = false;
    MonoTime tried;    // The time of the last try.
    Duration slowest;  // The longest time from a try to its answer.
    std::shared_ptr<ClientSession> session;
    Sequence sequence;
    std::string last_error = {};
  };

  bool NeedsSession(const Request& request) const {
    return options_.sessions && request.slot.has_value() &&
           !request.what.read_only;
  }
  MonoTime now() { return loop_.ReadClock().mono; }

  // Starts waiting requests as long as there is room and, for writes, a
  // session.
  void PumpLater();
  void Pump();
  // A session with room, or null. If null, a new session is being opened,
  // unless there are as many as allowed.
  std::shared_ptr<ClientSession> PickSession(Slot slot);
  bool Fresh(const ClientSession& session) {
    return !session.retired() && session.age(now()) < session_fresh_;
  }
  // A slot knows this session, which was used there a short time ago.
  struct SlotSession {
    std::shared_ptr<ClientSession> session;
    MonoTime used;
  };
  bool Fresh(const SlotSession& known) {
    return !known.session->retired() && now() - known.used < session_fresh_;
  }
  // Null if the slot knows no session that can be used.
  const SlotSession* KnownIn(Slot slot);
  void Wait(uint64_t id);
  void Try(Request* request);
  // Tries again. A write without effect so far gets a new session if its own is
  // about to expire.
  void Retry(Request* request);
  // Lets the request wait for another session, in front of newer requests.
  // Requires: no try may have been executed.
  void ChangeSession(Request* request);
  // True if the answer to a try that begins now could be too late.
  bool TooLate(const Request& request);
  void OnAttempt(uint64_t id, uint32_t attempt, RespLink::Result result);
  void OnError(Request* request, const std::string& error);
  void OnAttemptTimeout(uint64_t id);
  void OnDeadline(uint64_t id);
  // Retries after a pause, or ends the request if a retry would not be safe.
  void RetryOrFail(Request* request);
  void Finish(Request* request, Outcome outcome, absl::Status status,
              RespValue reply);
  Duration Backoff(uint64_t entity, uint32_t attempt);

  void OpenSession();
  void OnSession(RespLink::Result result);
  void ExpireSession(Request* request);
  void Refresh();
  // Closes idle links to addresses that were forgotten.
  void CloseForgotten();
  // `consistency`: the words for the connection. All levels but the default
  // share one link.
  RespLink* LinkTo(const std::string& address,
                   const std::string& consistency = "");
  RespLink* AnyLink();
  // An address, and whether the link is for reads of other levels.
  using LinkKey = std::pair<std::string, bool>;
  struct Link {
    std::unique_ptr<RespLink> link;
    std::string consistency;  // The last one that was sent.
  };
  void OnBroken(const LinkKey& key);

  env::Loop& loop_;
  env::Streams& streams_;
  const Random random_;
  const ClientOptions options_;
  SlotRoutes routes_;
  Counters counters_;

  uint64_t next_id_ = 1;
  absl::btree_map<uint64_t, std::unique_ptr<Request>> requests_;
  std::deque<uint64_t> waiting_;  // Ids; finished requests are skipped.
  size_t trying_ = 0;             // Requests that left waiting_.
  bool pump_due_ = false;
  env::Pending pump_;

  std::vector<std::shared_ptr<ClientSession>> sessions_;
  absl::btree_map<Slot, SlotSession> slot_sessions_;
  bool opening_session_ = false;
  uint32_t session_attempts_ = 0;
  Duration session_fresh_ = kSessionFresh;
  env::Pending session_timer_;

  MonoTime refresh_after_ = MonoTime::Min();
  uint64_t turn_ = 0;

  std::map<LinkKey, Link> links_;
  std::vector<std::unique_ptr<RespLink>> broken_links_;
  env::Pending sweep_;
};

void Client::Impl::Do(ClientRequest what, Done done) {
  CHECK(!what.arguments.empty());
  auto request = std::make_unique<Request>();
  request->id = next_id_++;
  request->what = std::move(what);
  request->done = std::move(done);
  if (request->what.key.has_value()) {
    request->slot = HashSlot(*request->what.key);
  }
  request->deadline = now() + options_.deadline;
  const uint64_t id = request->id;
  ++counters_.requests;
  absl::Status refused = Check(request->what);
  if (refused.ok() && requests_.size() - trying_ >= options_.waiting_max) {
    refused = absl::ResourceExhaustedError(absl::StrCat(
        "not sent: ", options_.waiting_max,
        " requests wait, the limit of ClientOptions::waiting_max; try again "
        "when some of them have results"));
  }
  if (!refused.ok()) {
    // Reported later, like every other outcome.
    request->deadline_timer =
        loop_.Defer([this, id, refused = std::move(refused)] {
          Finish(requests_.at(id).get(), Outcome::kNotExecuted, refused,
                 RespValue());
        });
    requests_.emplace(id, std::move(request));
    return;
  }
  request->deadline_timer =
      loop_.At(request->deadline, [this, id] { OnDeadline(id); });
  requests_.emplace(id, std::move(request));
  Wait(id);
}

void Client::Impl::Wait(uint64_t id) {
  waiting_.push_back(id);
  PumpLater();
}

void Client::Impl::PumpLater() {
  if (pump_due_) return;
  pump_due_ = true;
  pump_ = loop_.Defer([this] {
    pump_due_ = false;
    Pump();
  });
}

void Client::Impl::Pump() {
  while (!waiting_.empty() && trying_ < options_.outstanding_max) {
    const auto found = requests_.find(waiting_.front());
    if (found == requests_.end()) {
      waiting_.pop_front();
      continue;
    }
    Request* request = found->second.get();
    if (NeedsSession(*request)) {
      // A new session or an acknowledged command calls Pump again.
      std::shared_ptr<ClientSession> session = PickSession(*request->slot);
      if (session == nullptr) return;
      request->sequence = session->Begin();
      request->session = std::move(session);
    }
    waiting_.pop_front();
    request->trying = true;
    ++trying_;
    Try(request);
  }
}

const Client::Impl::SlotSession* Client::Impl::KnownIn(Slot slot) {
  const auto known = slot_sessions_.find(slot);
  return known != slot_sessions_.end() && Fresh(known->second) ? &known->second
                                                               : nullptr;
}

// A slot has room for a limited number of sessions. So a client keeps using the
// one that the slot knows.
std::shared_ptr<ClientSession> Client::Impl::PickSession(Slot slot) {
  const SlotSession* const known = KnownIn(slot);
  if (known != nullptr && known->session->window() < kSessionOutstandingMax) {
    return known->session;
  }
  // The requests that use older sessions keep them alive.
  std::erase_if(sessions_,
                [this](const auto& session) { return !Fresh(*session); });
  for (const std::shared_ptr<ClientSession>& session : sessions_) {
    if (session->window() < kSessionOutstandingMax) return session;
  }
  if (sessions_.size() < kClientSessionsMax) OpenSession();
  return nullptr;
}

bool Client::Impl::TooLate(const Request& request) {
  if (request.what.read_only || request.maybe_applied) return false;
  const Duration part =
      std::min(options_.last_try + request.slowest, options_.deadline / 2);
  return request.deadline - now() < part;
}

void Client::Impl::Retry(Request* request) {
  if (request->session != nullptr && !request->maybe_applied &&
      !Fresh(*request->session)) {
    const SlotSession* const known = KnownIn(*request->slot);
    if (known == nullptr || known->session != request->session) {
      return ChangeSession(request);
    }
  }
  Try(request);
}

void Client::Impl::ChangeSession(Request* request) {
  CHECK(!request->maybe_applied);
  request->session->Finish(request->sequence);
  request->session = nullptr;
  request->trying = false;
  --trying_;
  waiting_.push_front(request->id);
  PumpLater();
}

void Client::Impl::Try(Request* request) {
  if (TooLate(*request)) return OnDeadline(request->id);
  request->tried = now();
  const std::string* address = nullptr;
  std::string consistency;
  if (request->slot.has_value()) {
    consistency = TextOf(request->what.consistency);
    // Every other try goes to the owner: a replica may have gone.
    const bool replica = !consistency.empty() && request->attempts % 2 == 0;
    if (replica) address = routes_.FindReplica(*request->slot, turn_++);
    if (address == nullptr) address = routes_.Find(*request->slot);
  }
  RespLink* link =
      LinkTo(address != nullptr ? *address : routes_.Any(turn_++), consistency);
  if (address == nullptr && request->slot.has_value()) Refresh();
  ++request->attempts;
  ++counters_.attempts;
  request->link = link;
  request->server = link->address();

  std::vector<std::string_view> arguments;
  std::string sequence;
  std::string floor;
  if (request->session != nullptr) {
    sequence = absl::StrCat(request->sequence.value());
    floor = absl::StrCat(request->session->floor().value());
    arguments = {"QUORATE.DO", request->session->token(), sequence, floor};
  }
  arguments.insert(arguments.end(), request->what.arguments.begin(),
                   request->what.arguments.end());
  const uint64_t id = request->id;
  const uint32_t attempt = request->attempts;
  request->command =
      link->Send(arguments, [this, id, attempt](RespLink::Result result) {
        OnAttempt(id, attempt, std::move(result));
      });
  request->timer = loop_.At(now() + options_.attempt_timeout,
                            [this, id] { OnAttemptTimeout(id); });
}

void Client::Impl::OnAttempt(uint64_t id, uint32_t attempt,
                             RespLink::Result result) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second->attempts != attempt) return;
  Request* request = found->second.get();
  request->link = nullptr;
  request->timer.Cancel();
  request->slowest = std::max(request->slowest, now() - request->tried);
  if (!result.status.ok()) {
    if (result.sent) request->maybe_applied = true;
    request->last_error = std::string(result.status.message());
    if (request->slot.has_value()) routes_.Forget(*request->slot);
    RetryOrFail(request);
    return;
  }
  if (result.reply.is_error()) {
    OnError(request, result.reply.text);
    return;
  }
  Finish(request, Outcome::kDone, absl::OkStatus(), std::move(result.reply));
}

void Client::Impl::OnError(Request* request, const std::string& error) {
  request->last_error = error;
  RespValue reply;
  reply.kind = RespValue::Kind::kError;
  reply.text = error;
  const ErrorKind kind = Classify(error);
  switch (kind) {
    case ErrorKind::kMoved:
      ++counters_.redirects;
      // Only the first redirect is followed at once, so that a circle of
      // redirects cannot spin.
      routes_.Moved(error, request->server);
      Refresh();
      if (request->redirects++ == 0) {
        Try(request);
      } else {
        RetryOrFail(request);
      }
      return;
    case ErrorKind::kAgain:
      RetryOrFail(request);
      return;
    case ErrorKind::kMaybe:
      request->maybe_applied = true;
      RetryOrFail(request);
      return;
    case ErrorKind::kSessionExpired:
      ExpireSession(request);
      return;
    case ErrorKind::kDoneBefore:
      Finish(request, Outcome::kDone,
             absl::DataLossError(absl::StrCat("done, reply lost: ", error)),
             std::move(reply));
      return;
    case ErrorKind::kRefused:
    case ErrorKind::kNoEffect: {
      // A node may refuse a command before it looks at the session. Its limits
      // and rights may differ from those of the node of an earlier try.
      const bool proof =
          kind == ErrorKind::kNoEffect || request->what.read_only;
      const bool unknown = request->maybe_applied && !proof;
      Finish(request, unknown ? Outcome::kUnknown : Outcome::kNotExecuted,
             absl::InvalidArgumentError(error), std::move(reply));
      return;
    }
  }
}

void Client::Impl::OnAttemptTimeout(uint64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second->link == nullptr) return;
  ++counters_.attempts_timed_out;
  found->second->link->Abort(absl::UnavailableError(
      absl::StrCat(found->second->link->address(), " does not answer")));
}

void Client::Impl::OnDeadline(uint64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request* request = found->second.get();
  // A dial may still be under way. A command that no connection has yet would
  // be sent after its result was reported.
  if (request->link != nullptr && request->link->Withdraw(request->command)) {
    request->link = nullptr;
  }
  const bool unknown = !request->what.read_only &&
                       (request->maybe_applied || request->link != nullptr);
  const Duration elapsed = now() - (request->deadline - options_.deadline);
  std::string message =
      absl::StrCat("no reply after ", elapsed.ms(), " ms and ",
                   request->attempts, " attempts");
  if (!request->last_error.empty()) {
    absl::StrAppend(&message, "; the last error: ", request->last_error);
  }
  Finish(request, unknown ? Outcome::kUnknown : Outcome::kNotExecuted,
         absl::DeadlineExceededError(message), RespValue());
}

void Client::Impl::RetryOrFail(Request* request) {
  const bool safe = request->what.read_only || request->session != nullptr ||
                    !request->maybe_applied;
  if (!safe) {
    Finish(request, Outcome::kUnknown,
           absl::UnavailableError(request->last_error), RespValue());
    return;
  }
  const uint64_t id = request->id;
  request->timer = loop_.At(now() + Backoff(id, request->attempts), [this, id] {
    const auto found = requests_.find(id);
    if (found != requests_.end()) Retry(found->second.get());
  });
}

Duration Client::Impl::Backoff(uint64_t entity, uint32_t attempt) {
  const uint32_t doublings = std::min<uint32_t>(attempt, 16);
  const Duration base =
      std::min(options_.backoff_max,
               options_.backoff_min * (int64_t{1} << (doublings / 2)));
  return random_.Between(base, base * 2, "kv.client.backoff", entity, attempt);
}

void Client::Impl::Finish(Request* request, Outcome outcome,
                          absl::Status status, RespValue reply) {
  if (request->session != nullptr) {
    request->session->Finish(request->sequence);
    if (outcome == Outcome::kDone) {
      slot_sessions_[*request->slot] = {request->session, now()};
    }
  }
  if (request->trying) --trying_;
  switch (outcome) {
    case Outcome::kDone:
      ++counters_.done;
      break;
    case Outcome::kNotExecuted:
      ++counters_.not_executed;
      break;
    case Outcome::kUnknown:
      ++counters_.unknown;
      break;
  }
  const auto found = requests_.find(request->id);
  CHECK(found != requests_.end());
  std::unique_ptr<Request> ended = std::move(found->second);
  requests_.erase(found);
  PumpLater();
  ended->done({.outcome = outcome,
               .status = std::move(status),
               .reply = std::move(reply)});
}

void Client::Impl::OpenSession() {
  if (opening_session_) return;
  opening_session_ = true;
  const std::string_view command[] = {"QUORATE.SESSION"};
  AnyLink()->Send(command, [this](RespLink::Result result) {
    OnSession(std::move(result));
  });
  session_timer_ = loop_.At(now() + options_.attempt_timeout, [this] {
    // The node that was asked does not answer. A late reply of it is still
    // used.
    opening_session_ = false;
    PumpLater();
  });
}

void Client::Impl::OnSession(RespLink::Result result) {
  if (!opening_session_) return;
  const bool opened =
      result.status.ok() && ParseSessionToken(result.reply.text).has_value();
  if (opened) {
    opening_session_ = false;
    session_timer_.Cancel();
    session_attempts_ = 0;
    ++counters_.sessions_opened;
    absl::erase_if(slot_sessions_,
                   [this](const auto& known) { return !Fresh(known.second); });
    session_fresh_ = std::min(kSessionFresh, session_fresh_ / 8 * 9);
    sessions_.push_back(
        std::make_shared<ClientSession>(result.reply.text, now()));
    PumpLater();
    return;
  }
  const Duration pause = Backoff(/*entity=*/0, ++session_attempts_);
  session_timer_ = loop_.At(now() + pause, [this] {
    opening_session_ = false;
    PumpLater();
  });
}

// This try did nothing. If no earlier try may have been executed, the request
// is tried again under a new session.
void Client::Impl::ExpireSession(Request* request) {
  ++counters_.sessions_expired;
  Duration unused = request->session->age(now());
  const auto known = slot_sessions_.find(*request->slot);
  if (known != slot_sessions_.end() &&
      known->second.session == request->session) {
    unused = now() - known->second.used;
  }
  session_fresh_ =
      std::max(kSessionFreshMin, std::min(session_fresh_, unused / 2));
  request->session->Retire();
  if (request->maybe_applied) {
    Finish(request, Outcome::kUnknown, absl::AbortedError(request->last_error),
           RespValue());
    return;
  }
  RetryOrFail(request);
}

void Client::Impl::Refresh() {
  if (now() < refresh_after_) return;
  refresh_after_ = now() + kRefreshInterval;
  RespLink* link = AnyLink();
  const std::string_view command[] = {"QUORATE.SLOTS"};
  link->Send(command, [this, from = link->address()](RespLink::Result result) {
    // A server without a cluster refuses the command; then every server serves
    // every slot.
    if (result.status.ok() && routes_.Update(result.reply, from)) {
      CloseForgotten();
    }
  });
}

// Nodes that left the cluster, or moved, are not connected to for ever.
void Client::Impl::CloseForgotten() {
  for (auto link = links_.begin(); link != links_.end();) {
    if (routes_.Knows(link->first.first) ||
        link->second.link->in_flight() > 0) {
      ++link;
      continue;
    }
    broken_links_.push_back(std::move(link->second.link));
    link = links_.erase(link);
  }
  sweep_ = loop_.Defer([this] { broken_links_.clear(); });
}

RespLink* Client::Impl::LinkTo(const std::string& address,
                               const std::string& consistency) {
  const LinkKey key = {address, !consistency.empty()};
  Link& to = links_[key];
  if (to.link == nullptr) {
    to.link = std::make_unique<RespLink>(loop_, streams_, address,
                                         options_.attempt_timeout,
                                         [this, key] { OnBroken(key); });
  }
  if (to.consistency != consistency) {
    to.consistency = consistency;
    const std::vector<std::string> level = absl::StrSplit(consistency, ' ');
    std::vector<std::string_view> words = {"QUORATE.CONSISTENCY"};
    words.insert(words.end(), level.begin(), level.end());
    // Only a server without levels refuses this.
    to.link->Send(words, [](const RespLink::Result&) {});
  }
  return to.link.get();
}

RespLink* Client::Impl::AnyLink() { return LinkTo(routes_.Any(turn_++)); }

void Client::Impl::OnBroken(const LinkKey& key) {
  ++counters_.links_broken;
  const auto found = links_.find(key);
  CHECK(found != links_.end());
  broken_links_.push_back(std::move(found->second.link));
  links_.erase(found);
  sweep_ = loop_.Defer([this] { broken_links_.clear(); });
}

Client::Client(env::Loop& loop, env::Streams& streams, Random random,
               ClientOptions options)
    : impl_(std::make_unique<Impl>(loop, streams, random, std::move(options))) {
}
Client::~Client() = default;

void Client::Do(ClientRequest request, Done done) {
  impl_->Do(std::move(request), std::move(done));
}

void Client::Get(std::string_view key, Done done) {
  Get(key, ReadConsistency(), std::move(done));
}

void Client::Get(std::string_view key, ReadConsistency consistency, Done done) {
  Do({.arguments = {"GET", std::string(key)},
      .key = std::string(key),
      .read_only = true,
      .consistency = consistency},
     std::move(done));
}

void Client::Set(std::string_view key, std::string_view value, Done done) {
  Do({.arguments = {"SET", std::string(key), std::string(value)},
      .key = std::string(key)},
     std::move(done));
}

void Client::Del(std::string_view key, Done done) {
  Do({.arguments = {"DEL", std::string(key)}, .key = std::string(key)},
     std::move(done));
}

void Client::IncrBy(std::string_view key, int64_t delta, Done done) {
  Do({.arguments = {"INCRBY", std::string(key), absl::StrCat(delta)},
      .key = std::string(key)},
     std::move(done));
}

void Client::Append(std::string_view key, std::string_view suffix, Done done) {
  Do({.arguments = {"APPEND", std::string(key), std::string(suffix)},
      .key = std::string(key)},
     std::move(done));
}

size_t Client::outstanding() const { return impl_->outstanding(); }
Client::Counters Client::counters() const { return impl_->counters(); }

}  // namespace quorate::kv
