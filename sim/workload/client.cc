#include "sim/workload/client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/check.h"
#include "kv/command/session_stamp.h"

namespace quorate::sim {
namespace {

using Refusal = AvailabilityChecker::Refusal;
using SwapForm = ClientOperation::SwapForm;

constexpr ChoiceSite kOperation("workload.operation");

// A client shows each of its habits once in this number of bursts, on average.
constexpr uint64_t kTicksPerHabit = 40;
// A client that reads back does so after this share of its writes.
constexpr Ratio kReadsBack{1, 2};
constexpr Duration kReadsLateMax = Milliseconds(2'500);
// The number of the first request that is sent in part. Such requests are not
// recorded, so the log must never hold their values.
constexpr uint64_t kFirstHalfRequest = 75'000'000;
constexpr Duration kSweepInterval = Milliseconds(250);
constexpr uint64_t kInFlightMin = 1;
constexpr Duration kLateReply = Seconds(1);
constexpr Duration kShrinkInterval = Milliseconds(200);
constexpr Duration kConnectTimeout = Milliseconds(500);
constexpr Duration kBackoffMax = Seconds(2);
// A client that does not hold back has this many times as many operations open
// as a slot remembers.
constexpr uint64_t kWindowsAtMost = 2;
// A bound that has doubled this often is not below kBackoffMax.
constexpr uint64_t kDoublingsMax = 10;

// Only cluster clients use READONLY.
std::string GreetingOf(const ClientOperation& operation) {
  if (!operation.stale) return "";
  return operation.bound_ms == 0
             ? "READONLY"
             : absl::StrCat("QUORATE.CONSISTENCY BOUNDED ", operation.bound_ms);
}

}  // namespace

WorkloadClient::WorkloadClient(env::Env& env,
                               const WorkloadClientOptions& options,
                               Choices* choices, Recorder* recorder,
                               std::unique_ptr<Note> note)
    : env_(env),
      options_(options),
      choices_(choices),
      recorder_(recorder),
      generator_(options_.id, options_.operations, env_.random),
      router_(static_cast<uint32_t>(options_.servers.size()),
              options_.habits.stays_with_node,
              options_.id % static_cast<uint32_t>(options_.servers.size())) {
  if (note != nullptr) {
    ticks_ = note->ticks_;
    numbers_ = note->numbers_;
    sessions_asked_ = note->sessions_asked_;
    links_made_ = note->links_made_;
    sessions_ = std::move(note->sessions_);
    held_ = std::move(note->held_);
    waiting_ = std::move(note->waiting_);
    for (Operation& operation : note->operations_) {
      const OperationId id = next_operation_++;
      operations_.emplace(id, std::move(operation));
      SendLater(id, Milliseconds(1));
    }
    ArmSweep();
    ReleaseSoon();
    env_.tracer.Sometimes(operations_.empty() ? "client.restarted"
                                              : "client.resumed_operations");
  }
  // Clients begin at different times.
  const Duration first = env_.random.Between(Duration(0), options_.interval,
                                             "client.first", options_.id, 0);
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + first, [this] { Tick(); });
}

WorkloadClient::~WorkloadClient() = default;

std::unique_ptr<WorkloadClient::Note> WorkloadClient::Die() {
  CHECK(issuing_) << "client " << options_.id << " ends its work";
  const ClientMemory memory = options_.habits.memory;
  auto note = std::make_unique<Note>();
  note->ticks_ = ticks_ + 1;
  note->numbers_ = numbers_;
  note->sessions_asked_ = sessions_asked_;
  note->links_made_ = links_made_;
  for (auto& [id, operation] : operations_) {
    const bool has_session = operation.session != nullptr;
    if (operation.in_flight && WasWritten(id, operation)) {
      operation.maybe_done = true;
    }
    if (memory == ClientMemory::kOperations && has_session) {
      operation.in_flight = false;
      note->operations_.push_back(std::move(operation));
      continue;
    }
    if (has_session) operation.session->End(operation.sequence);
    if (!operation.recorded) continue;
    if (operation.is_read() || !operation.maybe_done) {
      recorder_->Withdraw(operation.ticket);
    } else {
      recorder_->LeaveUnknown(operation.ticket);
    }
  }
  if (memory != ClientMemory::kNothing) note->sessions_ = sessions_;
  operations_.clear();
  note->held_ = std::exchange(held_, {});
  note->waiting_ = std::exchange(waiting_, {});
  return note;
}

// A link that half-closes has written all of its requests. Another one may have
// its place.
bool WorkloadClient::WasWritten(OperationId id,
                                const Operation& operation) const {
  const auto link = links_.find({operation.node, GreetingOf(operation)});
  return link == links_.end() ||
         link->second->number() != operation.connection ||
         link->second->HasWritten(id);
}

bool WorkloadClient::reads_late() const {
  const auto late = [](const auto& link) {
    return link.second->reads_paused();
  };
  return std::any_of(links_.begin(), links_.end(), late) ||
         std::any_of(ending_.begin(), ending_.end(), late);
}

void WorkloadClient::ReadAll(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) Begin(generator_.FinalRead(key));
}

void WorkloadClient::AddToEach(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) Begin(generator_.FinalWrite(key));
}

std::string WorkloadClient::Describe() const {
  std::string text = absl::StrCat("client ", options_.id, ":");
  for (const auto& [id, operation] : operations_) {
    absl::StrAppend(&text, " ", operation.opens_session ? "session" : "",
                    operation.call.key, " (function ", operation.call.function,
                    ", node ", operation.node + 1,
                    delayed_.contains(id) ? ", waiting to try again)" : ")");
  }
  if (!held_.empty() || !waiting_.empty()) {
    absl::StrAppend(&text, " and ", held_.size() + waiting_.size(),
                    " that were never sent");
  }
  return text;
}

// ---- Issuing.

void WorkloadClient::Tick() {
  if (!issuing_) return;
  const auto draw = [&](Site site, uint64_t bound) {
    return env_.random.Below(bound, site, options_.id, ticks_);
  };
  const uint64_t burst = 1 + draw("client.burst", options_.burst_max);
  for (uint64_t i = 0; i < burst; ++i) Issue();
  Misbehave();
  // On average one operation per interval, for every size of bursts.
  const Duration wait =
      options_.interval * static_cast<int64_t>(burst) / 2 +
      Nanoseconds(static_cast<int64_t>(
          draw("client.wait",
               static_cast<uint64_t>(options_.interval.ns()) * burst + 1)));
  ++ticks_;
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + wait, [this] { Tick(); });
}

void WorkloadClient::Misbehave() {
  const auto once_in = [&](Site site, uint64_t ticks) {
    return env_.random.Below(ticks, site, options_.id, ticks_) == 0;
  };
  const ClientHabits& habits = options_.habits;
  if (habits.reads_late && once_in("client.reads_late", kTicksPerHabit)) {
    const Duration length =
        env_.random.Between(Milliseconds(50), kReadsLateMax, "client.late_for",
                            options_.id, ticks_);
    for (auto& [key, link] : links_) {
      if (link->connected() && !link->reads_paused()) link->PauseReads(length);
    }
  }
  if (habits.half_closes && once_in("client.half_closes", kTicksPerHabit)) {
    HalfCloseLinks();
  }
  if (habits.vanishes && once_in("client.vanishes", kTicksPerHabit)) {
    SendHalfRequest();
  }
}

void WorkloadClient::SendHalfRequest() {
  const Random random = env_.random.Fork("client.half_request", ticks_);
  const ClientOperation operation =
      generator_.Draw(kFirstHalfRequest + ticks_, random,
                      env_.loop.ReadClock().wall.earliest.ms());
  const std::string bytes = EncodeCommand(operation.Words());
  const uint64_t size = random.Below(bytes.size(), "client.half_size", 0, 0);
  const uint64_t node =
      random.Below(options_.servers.size(), "client.half_node", 0, 0);
  half_request_ = std::make_unique<HalfRequest>(
      env_, options_.servers[node], bytes.substr(0, size),
      random.Between(Duration(0), Milliseconds(500), "client.half_stay", 0, 0));
  env_.tracer.Sometimes("client.vanished_in_mid_request");
}

void WorkloadClient::Issue() {
  const uint64_t number = ++numbers_;
  const std::optional<Random> random =
      choices_->RandomOrNone(kOperation, {options_.id, number});
  if (!random.has_value()) return;
  ClientOperation operation = generator_.Draw(
      number, *random, env_.loop.ReadClock().wall.earliest.ms());
  const bool stamped = options_.habits.sessions && operation.may_have_session();
  (stamped ? held_ : waiting_).push_back(std::move(operation));
  Release();
}

// A connection may be closing: it must not receive requests in this call.
void WorkloadClient::ReleaseSoon() {
  if (held_.empty() && waiting_.empty() && ready_.empty()) return;
  release_ = env_.loop.Defer([this] { Release(); });
}

void WorkloadClient::Release() {
  while (!ready_.empty() && in_flight_ < in_flight_max_) {
    const OperationId id = *ready_.begin();
    ready_.erase(ready_.begin());
    Send(id);
  }
  while (!waiting_.empty() && in_flight_ < in_flight_max_) {
    ClientOperation operation = std::move(waiting_.front());
    waiting_.pop_front();
    Begin(std::move(operation));
  }
  while (!held_.empty() && in_flight_ < in_flight_max_) {
    std::shared_ptr<WorkloadSession> session = PickSession();
    if (session == nullptr) return;
    ClientOperation operation = std::move(held_.front());
    held_.pop_front();
    operation.sequence = session->Begin();
    Begin(std::move(operation), std::move(session));
  }
}

void WorkloadClient::Landed(Operation* operation, Landing landing) {
  if (!std::exchange(operation->in_flight, false)) return;
  --in_flight_;
  const MonoTime now = env_.loop.ReadClock().mono;
  if (landing == Landing::kServed && now - operation->sent_at < kLateReply) {
    in_flight_max_ =
        std::min<uint64_t>(in_flight_max_ + 1, kv::kSessionOutstandingMax);
  } else if (landing != Landing::kRefused && now >= may_shrink_at_) {
    in_flight_max_ = std::max(in_flight_max_ / 2, kInFlightMin);
    may_shrink_at_ = now + kShrinkInterval;
  }
  ReleaseSoon();
}

std::shared_ptr<WorkloadSession> WorkloadClient::PickSession() {
  if (options_.habits.renews_sessions) {
    const WallTime now = env_.loop.ReadClock().wall.earliest;
    std::erase_if(sessions_, [&](const auto& session) {
      return now - session->opened() > options_.session_open_window / 2;
    });
  }
  const size_t most = kv::kSessionOutstandingMax *
                      (options_.habits.holds_back ? 1 : kWindowsAtMost);
  for (const std::shared_ptr<WorkloadSession>& session : sessions_) {
    if (session->window() < most) return session;
  }
  if (sessions_.size() < options_.habits.sessions_max && !opening_session_) {
    OpenSession();
  }
  return nullptr;
}

void WorkloadClient::OpenSession() {
  opening_session_ = true;
  ClientOperation open;
  open.random = env_.random.Fork("client.session", sessions_asked_++);
  open.opens_session = true;
  Begin(std::move(open));
}

WorkloadClient::OperationId WorkloadClient::Begin(
    ClientOperation what, std::shared_ptr<WorkloadSession> session) {
  const OperationId id = Register(std::move(what), std::move(session));
  Send(id);
  return id;
}

WorkloadClient::OperationId WorkloadClient::Register(
    ClientOperation what, std::shared_ptr<WorkloadSession> session) {
  Operation operation{std::move(what)};
  operation.session = std::move(session);
  const bool patient = operation.final || operation.session != nullptr ||
                       operation.opens_session;
  operation.deadline =
      patient ? MonoTime::Max()
              : env_.loop.ReadClock().mono + options_.operation_timeout;
  if (!operation.stale && !operation.opens_session) {
    operation.recorded = true;
    operation.ticket = operation.expiry.has_value()
                           ? recorder_->Invoke(*operation.expiry)
                           : recorder_->Invoke(operation.call);
  }
  const OperationId id = next_operation_++;
  operations_.emplace(id, std::move(operation));
  ArmSweep();
  return id;
}

// ---- Sending.

void WorkloadClient::Send(OperationId id) {
  Operation& operation = operations_.at(id);
  ++operation.attempts;
  if (!operation.final && !operation.opens_session) {
    operation.in_flight = true;
    operation.sent_at = env_.loop.ReadClock().mono;
    ++in_flight_;
  }
  if (send_hook_ != nullptr && operation.number != 0 &&
      operation.attempts == 1) {
    send_hook_({options_.id, operation.number, operation.Words()});
  }
  operation.node = operation.moved_to.has_value()
                       ? *operation.moved_to
                       : router_.Route(operation, operation.attempts,
                                       env_.loop.ReadClock().mono);
  operation.moved_to.reset();
  operation.replies.clear();
  std::string greeting = GreetingOf(operation);
  std::unique_ptr<ClientLink>& link = links_[{operation.node, greeting}];
  if (link == nullptr) {
    link = std::make_unique<ClientLink>(
        env_, uint64_t{options_.id} << 32 | ++links_made_, AddressOf(operation),
        std::move(greeting), this);
  }
  if (operation.stale) {
    operation.sent =
        recorder_->SendStaleRead(NodeId(operation.node + 1), operation.call.key,
                                 operation.read_verb(), operation.bound());
  }
  EncodedOperation request = EncodeRequest(operation, operation.session.get());
  operation.replies_expected = request.replies;
  link->Send(id, std::move(request.bytes));
  operation.connection = link->number();
  if (operation.recorded) {
    recorder_->OnSent(operation.ticket, operation.connection,
                      NodeId(operation.node + 1));
  }
}

void WorkloadClient::HalfCloseLinks() {
  for (auto it = links_.begin(); it != links_.end();) {
    if (!it->second->connected()) {
      ++it;
      continue;
    }
    it->second->HalfClose();
    ending_.emplace_back(it->first.first, std::move(it->second));
    it = links_.erase(it);
    env_.tracer.Sometimes("client.half_closed_a_connection");
  }
}

const std::string& WorkloadClient::AddressOf(const Operation& operation) const {
  // Only cluster clients use READONLY.
  return options_.habits.cluster || operation.stale
             ? options_.cluster_servers[operation.node]
             : options_.servers[operation.node];
}

void WorkloadClient::SendLater(OperationId id, Duration delay) {
  delayed_[id] = env_.loop.At(env_.loop.ReadClock().mono + delay, [this, id] {
    delayed_.erase(id);
    ready_.insert(id);
    Release();
    if (!ready_.contains(id)) return;
    const Operation& operation = operations_.at(id);
    if (operation.recorded) recorder_->OnHeld(operation.ticket);
  });
}

// ---- Replies.

void WorkloadClient::OnLinkReply(OperationId id, ClientReply reply,
                                 bool* done) {
  const auto it = operations_.find(id);
  CHECK(it != operations_.end()) << "a reply to nothing";
  Operation& operation = it->second;
  operation.replies.push_back(std::move(reply));
  *done = operation.replies.size() >= operation.replies_expected;
  if (!*done) return;
  // The last reply of a transaction is its result. If it was abandoned, the
  // first error is the reason.
  const ClientReply* answer = &operation.replies.back();
  if (answer->error_code() == "EXECABORT" || answer->error_code() == "ERR") {
    for (const ClientReply& earlier : operation.replies) {
      if (!earlier.is_error()) continue;
      answer = &earlier;
      break;
    }
  }
  const ClientReply copy = *answer;
  Landed(&operation, !copy.is_error()                 ? Landing::kServed
                     : copy.error_code() == "UNKNOWN" ? Landing::kLost
                                                      : Landing::kRefused);
  Finish(id, copy);
}

void WorkloadClient::Finish(OperationId id, const ClientReply& reply) {
  if (reply.is_error()) {
    OnError(id, reply);
    return;
  }
  Operation& operation = operations_.at(id);
  if (operation.opens_session) {
    sessions_.push_back(std::make_shared<WorkloadSession>(
        reply.text, env_.loop.ReadClock().wall.earliest));
    opening_session_ = false;
  } else if (operation.stale) {
    recorder_->StaleRead(operation.sent, operation.call.key, reply);
  } else {
    Succeed(operation, reply);
    if (ReadsBack(operation)) ReadBack(operation);
  }
  Erase(id);
}

// A cluster client does not: a node that does not lead would redirect it.
bool WorkloadClient::ReadsBack(const Operation& operation) const {
  return options_.habits.reads_back && !options_.habits.cluster &&
         !operation.is_read() && !operation.final &&
         operation.random.Chance(kReadsBack, "client.reads_back", 0, 0);
}

void WorkloadClient::ReadBack(const Operation& write) {
  ClientOperation read = generator_.ReadBack(write);
  const auto nodes = static_cast<uint32_t>(options_.servers.size());
  const auto step = static_cast<uint32_t>(
      1 + read.random.Below(nodes, "client.reads_back_at", 0, 0));
  read.first_node = (write.node + step) % nodes;
  waiting_.push_front(std::move(read));
}

void WorkloadClient::Erase(OperationId id) {
  const auto it = operations_.find(id);
  if (it->second.session != nullptr) {
    it->second.session->End(it->second.sequence);
  }
  delayed_.erase(id);
  ready_.erase(id);
  operations_.erase(it);
  ReleaseSoon();
}

void WorkloadClient::Succeed(Operation& operation, const ClientReply& reply) {
  const Recorder::Ticket ticket = operation.ticket;
  const auto unexpected = [&] {
    recorder_->Unexpected(options_.id, absl::StrCat(operation.Describe(), ": ",
                                                    reply.ToString()));
    recorder_->LeaveUnknown(ticket);
  };
  const ClientReply* value = &reply;
  if (operation.form == SwapForm::kTransaction) {
    if (reply.type != ClientReply::Type::kArray || reply.elements.size() != 2) {
      return unexpected();
    }
    value = &reply.elements[0];
  } else if (operation.form == SwapForm::kWatched) {
    // Nil: the key changed, and the transaction was not executed.
    if (reply.type == ClientReply::Type::kNil)
      return recorder_->Withdraw(ticket);
    if (reply.type != ClientReply::Type::kArray) return unexpected();
    const std::vector<ClientReply>& replies = operation.replies;
    // WATCH or GET failed. The transaction was executed.
    if (replies[0].is_error() || replies[1].is_error()) {
      return recorder_->ReturnLost(ticket);
    }
    value = &replies[1];
  }
  if (!RecordReply(operation, *value, ticket, recorder_)) unexpected();
}

void WorkloadClient::OnError(OperationId id, const ClientReply& reply) {
  Operation& operation = operations_.at(id);
  const std::string_view code = reply.error_code();
  const bool session_full = code == "SESSION_FULL" || code == "SESSION_LIMIT";
  // A node without memory refuses a transaction as a whole.
  const bool no_memory = code == "OOM" || (code == "EXECABORT" &&
                                           reply.text.find("because of: OOM") !=
                                               std::string::npos);
  // All of these replies say that the request was not executed.
  const bool refused = code == "MOVED" || code == "CLUSTERDOWN" ||
                       code == "TRYAGAIN" || code == "LOADING" ||
                       code == "MISCONF" || code == "READONLY" ||
                       reply.refuses_connection() || session_full || no_memory;
  if (refused && operation.recorded) {
    const bool elsewhere =
        code == "MOVED" || code == "READONLY" || session_full || no_memory;
    recorder_->OnRefused(
        operation.ticket, operation.connection,
        elsewhere ? Refusal::kElsewhere : Refusal::kUnavailable);
  }
  if ((session_full || no_memory) && operation.recorded) {
    recorder_->OnAnswered(operation.ticket);
  }
  if (code == "READONLY") {
    recorder_->OnReadOnly(options_.id, NodeId(operation.node + 1));
  }
  if (no_memory) {
    recorder_->OnNoMemory(options_.id);
    // No memory may become free before the end of the run.
    operation.final_write = false;
    return GiveUp(id);
  }
  if (code == "MOVED") return OnMoved(id, reply);
  // Gives the operation up, so that the floor can rise. The slot may remember
  // too many later operations to take the oldest one ever, and has room for
  // another session only after a session's end.
  if (session_full) return GiveUp(id);
  if (refused) {
    router_.Forget(operation.call.key);
    router_.ChangePreferred(operation.node);
    if (code == "READONLY") router_.OnReadOnly(operation.node);
    return TryAgain(id, Backoff(operation, 20, 100));
  }
  if (code == "UNKNOWN") {
    if (operation.recorded) {
      recorder_->OnUnknownAnswer(operation.ticket, NodeId(operation.node + 1));
    }
    return OnLinkBroken(id);
  }
  if (code == "RESULT_NOT_KEPT") {
    // A retry of a command that took effect.
    if (operation.recorded) recorder_->ReturnLost(operation.ticket);
    return Erase(id);
  }
  if (code == "SESSION_EXPIRED" && operation.session != nullptr) {
    // This attempt was not executed. Later operations use another session.
    if (operation.recorded) recorder_->OnAnswered(operation.ticket);
    std::erase(sessions_, operation.session);
    return GiveUp(id);
  }
  recorder_->Unexpected(
      options_.id, absl::StrCat(operation.Describe(), ": ", reply.ToString()));
  operation.maybe_done = true;
  GiveUp(id);
}

namespace {

std::string_view HostOf(std::string_view address) {
  return address.substr(0, address.rfind(':'));
}

}  // namespace

void WorkloadClient::OnMoved(OperationId id, const ClientReply& reply) {
  // MOVED slot host:port.
  const std::vector<std::string> words = absl::StrSplit(reply.text, ' ');
  const std::vector<std::string>& servers = options_.cluster_servers;
  // A node that moved has another port, and is found under its first one.
  const std::string_view host = HostOf(words.back());
  const auto server =
      std::find_if(servers.begin(), servers.end(),
                   [&](const auto& known) { return HostOf(known) == host; });
  uint32_t slot = 0;
  const bool plain = !options_.habits.cluster && !operations_.at(id).stale;
  if (plain || words.size() != 3 || server == servers.end() ||
      !absl::SimpleAtoi(words[1], &slot)) {
    recorder_->Unexpected(options_.id, reply.ToString());
    GiveUp(id);
    return;
  }
  Operation& operation = operations_.at(id);
  const auto node = static_cast<uint32_t>(server - servers.begin());
  router_.OnMoved(static_cast<uint16_t>(slot), node);
  // The node is tried even if a connection to it failed recently: another node
  // would only answer MOVED again.
  operation.moved_to = node;
  // Waits a little: two nodes that take each other for the leader would
  // otherwise be asked without a pause.
  TryAgain(id, Backoff(operation, 1, 20));
}

void WorkloadClient::OnLinkMalformed(std::string_view server) {
  recorder_->Unexpected(
      options_.id, absl::StrCat("no reply at all from ", std::string(server)));
}

void WorkloadClient::OnLinkBroken(OperationId id) {
  Operation& operation = operations_.at(id);
  Landed(&operation, Landing::kLost);
  // Another node may know the leader.
  router_.Forget(operation.call.key);
  // Reads and commands with a session may be sent twice.
  const bool repeatable =
      operation.opens_session || operation.is_read() || operation.session;
  if (!operation.opens_session && !operation.is_read()) {
    operation.maybe_done = true;
  }
  if (repeatable) {
    TryAgain(id, Backoff(operation, 10, 100));
  } else {
    GiveUp(id);
  }
}

void WorkloadClient::OnLinkRefused(OperationId id) {
  Operation& operation = operations_.at(id);
  Landed(&operation, Landing::kRefused);
  if (operation.recorded) {
    recorder_->OnRefused(operation.ticket, operation.connection,
                         Refusal::kElsewhere);
  }
  router_.Forget(operation.call.key);
  TryAgain(id, Backoff(operation, 10, 100));
}

Duration WorkloadClient::Backoff(const Operation& operation, int64_t least_ms,
                                 int64_t spread_ms) {
  const uint64_t doublings =
      std::min(kDoublingsMax,
               operation.attempts - std::min<uint64_t>(operation.attempts, 1));
  const Duration most =
      std::min(kBackoffMax, Milliseconds(spread_ms << doublings));
  return Milliseconds(least_ms) + operation.random.Between(Duration(0), most,
                                                           "client.backoff", 0,
                                                           operation.attempts);
}

void WorkloadClient::TryAgain(OperationId id, Duration delay) {
  if (env_.loop.ReadClock().mono + delay >= operations_.at(id).deadline) {
    GiveUp(id);
  } else {
    SendLater(id, delay);
  }
}

void WorkloadClient::GiveUp(OperationId id) {
  Operation& operation = operations_.at(id);
  if (operation.recorded) {
    if (operation.maybe_done) {
      recorder_->LeaveUnknown(operation.ticket);
    } else {
      recorder_->Withdraw(operation.ticket);
    }
  }
  if (operation.opens_session) opening_session_ = false;
  if (operation.final_write) {
    const Duration wait = Backoff(operation, 50, 200);
    SendLater(Register(generator_.FinalWrite(operation.call.key), nullptr),
              wait);
  }
  Erase(id);
}

void WorkloadClient::OnLinkClosed(ClientLink* link) {
  for (auto& [key, held] : links_) {
    if (held.get() != link) continue;
    router_.OnFailed(key.first, env_.loop.ReadClock().mono);
    dropped_.push_back(std::move(held));
    links_.erase(key);
    break;
  }
  for (auto it = ending_.begin(); it != ending_.end(); ++it) {
    if (it->second.get() != link) continue;
    dropped_.push_back(std::move(it->second));
    ending_.erase(it);
    break;
  }
  destroy_dropped_ = env_.loop.Defer([this] { dropped_.clear(); });
}

void WorkloadClient::ArmSweep() {
  if (sweep_armed_ || operations_.empty()) return;
  sweep_armed_ = true;
  sweep_ = env_.loop.At(env_.loop.ReadClock().mono + kSweepInterval, [this] {
    sweep_armed_ = false;
    Sweep();
    ArmSweep();
  });
}

void WorkloadClient::Sweep() {
  const MonoTime now = env_.loop.ReadClock().mono;
  // Closes a connection that is not established in time, and one on which a
  // reply is overdue. Replies come in order, so no later reply can arrive,
  // either.
  std::vector<ClientLink*> overdue;
  const auto look_at = [&](const std::unique_ptr<ClientLink>& link) {
    if (link->oldest() == 0) return;
    const bool stuck = now - link->oldest_since() > options_.reply_timeout;
    const bool unreachable =
        !link->connected() && now - link->oldest_since() > kConnectTimeout;
    if (stuck || unreachable) overdue.push_back(link.get());
  };
  for (const auto& [key, link] : links_) look_at(link);
  for (const auto& [node, link] : ending_) look_at(link);
  for (ClientLink* link : overdue) link->Break();
  std::vector<OperationId> late;
  for (const auto& [id, operation] : operations_) {
    if (operation.deadline <= now) late.push_back(id);
  }
  for (const OperationId id : late) {
    // It still waits on a connection. The sweep after its link breaks ends it.
    if (delayed_.contains(id) || ready_.contains(id)) GiveUp(id);
  }
}

}  // namespace quorate::sim
