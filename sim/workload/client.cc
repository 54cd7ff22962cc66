#include "sim/workload/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/check.h"
#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {

using lincheck::Kv;

// RESP forms of a swap, besides SET … GET.
constexpr uint8_t kGetSet = 1;
constexpr uint8_t kTransaction = 2;
constexpr uint8_t kWatched = 3;

constexpr ChoiceSite kOperation("workload.operation");

// The numbers of final operations come after those of all others.
constexpr uint64_t kNumbersPerClient = 100'000'000;
constexpr uint64_t kFirstFinal = kNumbersPerClient / 2;

constexpr Duration kSweepInterval = Milliseconds(250);
constexpr Duration kAvoidTime = Seconds(3);

std::string Command(const std::vector<std::string>& words) {
  std::string bytes = absl::StrCat("*", words.size(), "\r\n");
  for (const std::string& word : words) {
    absl::StrAppend(&bytes, "$", word.size(), "\r\n", word, "\r\n");
  }
  return bytes;
}

// The name of an operation for people.
std::string Name(const ClientCall& call,
                 const std::optional<ExpiryCommand>& expiry) {
  if (expiry.has_value()) return Describe(*expiry);
  return absl::StrCat("function ", call.function, " on ", call.key);
}

}  // namespace

bool WorkloadClient::IsRead(const Operation& operation) {
  return operation.expiry.has_value() ? operation.expiry->read_only()
                                      : operation.call.function == Kv::kGet;
}

WorkloadClient::WorkloadClient(env::Env& env,
                               const WorkloadClientOptions& options,
                               Choices* choices, Recorder* recorder)
    : env_(env), options_(options), choices_(choices), recorder_(recorder) {
  preferred_node_ =
      options_.id % static_cast<uint32_t>(options_.servers.size());
  // Clients begin at different times.
  const Duration first = env_.random.Between(Duration(0), options_.interval,
                                             "client.first", options_.id, 0);
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + first, [this] { Tick(); });
  sweep_ = env_.loop.At(env_.loop.ReadClock().mono + kSweepInterval,
                        [this] { Sweep(); });
}

WorkloadClient::~WorkloadClient() = default;

void WorkloadClient::StopIssuing() { issuing_ = false; }

void WorkloadClient::ReadAll(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    Operation operation;
    operation.random = env_.random.Fork("client.final", finals_++);
    operation.call = {.client = options_.id, .key = key};
    if (ExpiryChecker::Covers(key)) {
      operation.expiry = ExpiryCommand{.client = options_.id, .key = key};
    }
    operation.final = true;
    Begin(std::move(operation));
  }
}

void WorkloadClient::AddToEach(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) Begin(FinalWrite(key));
}

WorkloadClient::Operation WorkloadClient::FinalWrite(const std::string& key) {
  Operation operation;
  operation.random = env_.random.Fork("client.final", finals_);
  operation.call = {.client = options_.id, .key = key};
  operation.call.function = Kv::kIncrement;
  operation.call.number = UniqueNumber(kFirstFinal + finals_++);
  operation.final = true;
  operation.final_write = true;
  return operation;
}

int64_t WorkloadClient::UniqueNumber(uint64_t number) const {
  return static_cast<int64_t>(options_.id * kNumbersPerClient + number);
}

std::string WorkloadClient::Describe() const {
  std::string text = absl::StrCat("client ", options_.id, ":");
  for (const auto& [id, operation] : operations_) {
    absl::StrAppend(&text, " ", operation.opens_session ? "session" : "",
                    operation.call.key, " (function ", operation.call.function,
                    ", node ", operation.node + 1,
                    delayed_.contains(id) ? ", waiting to try again)" : ")");
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
  // On average one operation per interval, for every size of bursts.
  const Duration wait =
      options_.interval * static_cast<int64_t>(burst) / 2 +
      Nanoseconds(static_cast<int64_t>(
          draw("client.wait",
               static_cast<uint64_t>(options_.interval.ns()) * burst + 1)));
  ++ticks_;
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + wait, [this] { Tick(); });
}

void WorkloadClient::Issue() {
  const uint64_t number = ++numbers_;
  // Zero: a tape leaves the operation out.
  const uint64_t bits = choices_->Choose(
      kOperation, ChoiceKey{options_.id, number}, 0,
      [](const Random& random, Site site, uint64_t entity, uint64_t counter) {
        return random.Bits(site, entity, counter) | 1;
      });
  if (bits == 0) return;
  if (options_.sessions && session_.empty() && !opening_session_) {
    opening_session_ = true;
    Operation open;
    open.random = env_.random.Fork("client.session", sessions_asked_++);
    open.opens_session = true;
    Begin(std::move(open));
  }
  Operation operation = Draw(number, Random(bits));
  if (issue_hook_ != nullptr) {
    issue_hook_({options_.id, number,
                 operation.expiry.has_value() ? WordsOf(*operation.expiry)
                                              : WordsFor(operation)});
  }
  Begin(std::move(operation));
}

WorkloadClient::Operation WorkloadClient::Draw(uint64_t number, Random random) {
  Operation operation;
  operation.random = random;
  if (options_.expiry && random.Below(6, "client.timed", 0, 0) == 0) {
    operation.expiry = DrawExpiryCommand(number, random);
    operation.call = {.client = options_.id, .key = operation.expiry->key};
  } else {
    operation.call = DrawCall(number, random);
  }
  if (IsRead(operation)) {
    operation.stale =
        options_.stale_reads && random.Below(2, "client.stale", 0, 0) == 0;
    return operation;
  }
  if (!operation.expiry.has_value() && operation.call.function == Kv::kSwap) {
    operation.variant =
        static_cast<uint8_t>(random.Below(4, "client.variant", 0, 0));
  }
  // A transaction has no session.
  const bool transaction =
      operation.variant == kTransaction || operation.variant == kWatched;
  if (options_.sessions && !session_.empty() && !transaction) {
    operation.sequence = next_sequence_++;
  }
  return operation;
}

ExpiryCommand WorkloadClient::DrawExpiryCommand(uint64_t number,
                                                Random random) {
  return sim::DrawExpiryCommand(
      options_.id, DrawKey('t', number, random),
      env_.loop.ReadClock().wall.earliest.ms(),
      [random](Site site, uint64_t bound) {
        return random.Below(bound, site, 0, 0);
      },
      [&] { return NewText(number, random, /*list=*/true); });
}

ClientCall WorkloadClient::DrawCall(uint64_t number, Random random) {
  const uint64_t kind = random.Below(10, "client.kind", 0, 0);
  const uint64_t action = random.Below(100, "client.action", 0, 0);
  ClientCall call{.client = options_.id};
  if (kind < 5) {
    call.key = DrawKey('r', number, random);
    static constexpr std::pair<uint64_t, Kv::Function> kActions[] = {
        {40, Kv::kGet},  {65, Kv::kPut},         {75, Kv::kSwap},
        {82, Kv::kCas},  {89, Kv::kPutIfExists}, {95, Kv::kDelete},
        {100, Kv::kTake}};
    for (const auto& [below, function] : kActions) {
      call.function = function;
      if (action < below) break;
    }
    call.expect_absent = call.function == Kv::kCas;
    const bool writes = call.function != Kv::kGet &&
                        call.function != Kv::kDelete &&
                        call.function != Kv::kTake;
    if (writes) call.text = NewText(number, random, /*list=*/false);
  } else if (kind < 7) {
    call.key = DrawKey('l', number, random);
    call.function = action < 40 ? Kv::kGet : Kv::kAppend;
    if (call.function == Kv::kAppend) {
      call.text = NewText(number, random, /*list=*/true);
    }
  } else {
    call.key = DrawKey('n', number, random);
    call.function = action < 35 ? Kv::kGet : Kv::kIncrement;
    // Increments are unique, so that a sum shows its parts.
    call.number = UniqueNumber(number);
  }
  return call;
}

std::string WorkloadClient::DrawKey(char kind, uint64_t number,
                                    Random random) const {
  const uint64_t epoch = number / options_.operations_per_epoch;
  uint64_t key = random.Below(options_.keys, "client.key", 0, 0);
  if (options_.hot_keys) key = random.Below(key + 1, "client.hot_key", 0, 0);
  std::string name = absl::StrCat(std::string(1, kind), key, ".", epoch);
  if (options_.tags > 0) {
    // Keys that expire leave slots without a place in the log, so they have
    // slots of their own.
    absl::StrAppend(&name, "{", kind == 't' ? "t" : "", key % options_.tags,
                    "}");
  }
  return name;
}

std::string WorkloadClient::NewText(uint64_t number, Random random, bool list) {
  std::string text = absl::StrCat("c", options_.id, ".", number);
  const bool large =
      !list && random.Chance(options_.large_value, "client.large", 0, 0);
  // Elements of a list differ in length. So the length of a list shows its
  // elements, and checking appends of unknown outcome stays cheap.
  const size_t size_max = list ? 40 : options_.value_bytes_max;
  const size_t padding = large
                             ? options_.large_value_bytes
                             : random.Below(size_max + 1, "client.size", 0, 0);
  if (padding > 0) text += ":" + std::string(padding, 'x');
  return list ? text + ";" : text;
}

WorkloadClient::OperationId WorkloadClient::Begin(Operation operation) {
  const OperationId id = Register(std::move(operation));
  Send(id);
  return id;
}

WorkloadClient::OperationId WorkloadClient::Register(Operation operation) {
  const Duration timeout = operation.sequence != 0 ? options_.session_timeout
                                                   : options_.operation_timeout;
  operation.deadline =
      operation.final ? MonoTime::Max() : env_.loop.ReadClock().mono + timeout;
  if (!operation.stale && !operation.opens_session) {
    operation.recorded = true;
    operation.ticket = operation.expiry.has_value()
                           ? recorder_->Invoke(*operation.expiry)
                           : recorder_->Invoke(operation.call);
  }
  const OperationId id = next_operation_++;
  operations_.emplace(id, std::move(operation));
  return id;
}

// ---- Sending.

uint32_t WorkloadClient::Route(const Operation& operation) {
  uint32_t any = preferred_node_;
  if (!options_.stays_with_node) {
    any = static_cast<uint32_t>(operation.random.Below(
        options_.servers.size(), "client.node", 0, operation.attempts));
  }
  // Avoids a node whose connection failed recently, if there is another one.
  for (size_t i = 0; i < options_.servers.size() && FailedRecently(any); ++i) {
    any = (any + 1) % static_cast<uint32_t>(options_.servers.size());
  }
  if (options_.stays_with_node) preferred_node_ = any;
  if (operation.stale || operation.opens_session) return any;
  const auto it = node_of_slot_.find(kv::HashSlot(operation.call.key).value());
  return it == node_of_slot_.end() || FailedRecently(it->second) ? any
                                                                 : it->second;
}

bool WorkloadClient::FailedRecently(uint32_t node) const {
  const auto it = avoided_until_.find(node);
  return it != avoided_until_.end() && it->second > env_.loop.ReadClock().mono;
}

void WorkloadClient::ChangePreferredNode(uint32_t node) {
  if (node != preferred_node_) return;
  preferred_node_ =
      (preferred_node_ + 1) % static_cast<uint32_t>(options_.servers.size());
}

std::string WorkloadClient::Encode(Operation* operation) {
  if (operation->opens_session) return Command({"QUORATE.SESSION"});
  if (operation->variant == kTransaction) {
    const ClientCall& call = operation->call;
    operation->replies_expected = 4;
    return Command({"MULTI"}) + Command({"GET", call.key}) +
           Command({"SET", call.key, call.text}) + Command({"EXEC"});
  }
  if (operation->variant == kWatched) {
    // The transaction is a swap because the key did not change since it was
    // read. No client writes the key that is watched first.
    const ClientCall& call = operation->call;
    operation->replies_expected = 5;
    const bool tagged = call.key.find('{') != std::string::npos;
    const std::string unwritten = tagged ? absl::StrCat(call.key, "w")
                                         : absl::StrCat("{", call.key, "}w");
    return Command({"WATCH", unwritten, call.key}) +
           Command({"GET", call.key}) + Command({"MULTI"}) +
           Command({"SET", call.key, call.text}) + Command({"EXEC"});
  }
  std::vector<std::string> words = operation->expiry.has_value()
                                       ? WordsOf(*operation->expiry)
                                       : WordsFor(*operation);
  if (operation->sequence != 0) {
    uint64_t floor = operation->sequence;
    for (const auto& [id, other] : operations_) {
      if (other.sequence != 0) floor = std::min(floor, other.sequence);
    }
    words.insert(words.begin(),
                 {"QUORATE.DO", session_, absl::StrCat(operation->sequence),
                  absl::StrCat(floor)});
  }
  return Command(words);
}

std::vector<std::string> WorkloadClient::WordsFor(const Operation& operation) {
  const ClientCall& call = operation.call;
  switch (call.function) {
    case Kv::kGet:
      return {"GET", call.key};
    case Kv::kPut:
      return {"SET", call.key, call.text};
    case Kv::kCas:
      return {"SET", call.key, call.text, "NX"};
    case Kv::kPutIfExists:
      return {"SET", call.key, call.text, "XX"};
    case Kv::kSwap:
      if (operation.variant == kGetSet) return {"GETSET", call.key, call.text};
      return {"SET", call.key, call.text, "GET"};
    case Kv::kDelete:
      return {"DEL", call.key};
    case Kv::kTake:
      return {"GETDEL", call.key};
    case Kv::kAppend:
      return {"APPEND", call.key, call.text};
    case Kv::kIncrement:
      return {"INCRBY", call.key, absl::StrCat(call.number)};
    default:
      CHECK(false) << "function " << +call.function;
  }
  return {};
}

void WorkloadClient::Send(OperationId id) {
  Operation& operation = operations_.at(id);
  ++operation.attempts;
  operation.node = Route(operation);
  operation.replies.clear();
  std::unique_ptr<ClientLink>& link = links_[{operation.node, operation.stale}];
  if (link == nullptr) {
    link = std::make_unique<ClientLink>(
        env_, uint64_t{options_.id} << 32 | ++links_made_, AddressOf(operation),
        operation.stale, this);
  }
  link->Send(id, Encode(&operation));
  if (operation.recorded) recorder_->OnSent(operation.ticket, link->number());
}

const std::string& WorkloadClient::AddressOf(const Operation& operation) const {
  // Only cluster clients use READONLY.
  return options_.cluster || operation.stale
             ? options_.cluster_servers[operation.node]
             : options_.servers[operation.node];
}

void WorkloadClient::SendLater(OperationId id, Duration delay) {
  delayed_[id] = env_.loop.At(env_.loop.ReadClock().mono + delay, [this, id] {
    delayed_.erase(id);
    Send(id);
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
  Finish(id, copy);
}

void WorkloadClient::Finish(OperationId id, const ClientReply& reply) {
  if (reply.is_error()) {
    OnError(id, reply);
    return;
  }
  Operation& operation = operations_.at(id);
  if (operation.opens_session) {
    session_ = reply.text;
    opening_session_ = false;
  } else if (operation.stale) {
    if (reply.type == ClientReply::Type::kBulk &&
        operation.call.key[0] != 'n') {
      recorder_->StaleRead(options_.id, operation.call.key, reply.text);
    }
  } else {
    Succeed(operation, reply);
  }
  operations_.erase(id);
}

void WorkloadClient::Succeed(Operation& operation, const ClientReply& reply) {
  const Recorder::Ticket ticket = operation.ticket;
  if (operation.expiry.has_value())
    return recorder_->ReturnReply(ticket, reply);
  const bool number_key = operation.call.key[0] == 'n';
  const auto unexpected = [&] {
    recorder_->Unexpected(
        options_.id, absl::StrCat(Name(operation.call, operation.expiry), ": ",
                                  reply.ToString()));
    recorder_->LeaveUnknown(ticket);
  };
  const ClientReply* value = &reply;
  if (operation.variant == kTransaction) {
    if (reply.type != ClientReply::Type::kArray || reply.elements.size() != 2) {
      return unexpected();
    }
    value = &reply.elements[0];
  } else if (operation.variant == kWatched) {
    // Nil: the key changed, and the transaction was not executed.
    if (reply.type == ClientReply::Type::kNil)
      return recorder_->Withdraw(ticket);
    if (reply.type != ClientReply::Type::kArray) return unexpected();
    const std::vector<ClientReply>& replies = operation.replies;
    // WATCH or GET failed.
    if (replies[0].is_error() || replies[1].is_error()) {
      return recorder_->LeaveUnknown(ticket);
    }
    value = &replies[1];
  }
  switch (operation.call.function) {
    case Kv::kPut:
      if (reply.type != ClientReply::Type::kSimple) return unexpected();
      return recorder_->ReturnNothing(ticket);
    case Kv::kCas:
    case Kv::kPutIfExists:
      if (reply.type != ClientReply::Type::kSimple &&
          reply.type != ClientReply::Type::kNil) {
        return unexpected();
      }
      return recorder_->ReturnNumber(
          ticket, reply.type == ClientReply::Type::kSimple ? 1 : 0);
    case Kv::kDelete:
    case Kv::kAppend:
    case Kv::kIncrement:
      if (reply.type != ClientReply::Type::kInteger) return unexpected();
      return recorder_->ReturnNumber(ticket, reply.integer);
    default:
      break;
  }
  int64_t number = 0;
  if (value->type == ClientReply::Type::kNil) {
    recorder_->ReturnNil(ticket);
  } else if (value->type != ClientReply::Type::kBulk ||
             (number_key && !absl::SimpleAtoi(value->text, &number))) {
    unexpected();
  } else if (number_key) {
    recorder_->ReturnNumber(ticket, number);
  } else {
    recorder_->ReturnText(ticket, value->text);
  }
}

void WorkloadClient::OnError(OperationId id, const ClientReply& reply) {
  Operation& operation = operations_.at(id);
  const std::string_view code = reply.error_code();
  // All of these replies say that the request was not executed.
  const bool refused = code == "MOVED" || code == "CLUSTERDOWN" ||
                       code == "TRYAGAIN" || code == "LOADING" ||
                       code == "MISCONF" || code == "READONLY" ||
                       code == "SESSION_FULL";
  if (refused && operation.recorded) recorder_->OnRefused(operation.ticket);
  if (code == "MOVED") return OnMoved(id, reply);
  if (refused) {
    node_of_slot_.erase(kv::HashSlot(operation.call.key).value());
    ChangePreferredNode(operation.node);
    return TryAgain(id, Backoff(operation, 20, 100));
  }
  if (code == "UNKNOWN") return OnLinkBroken(id);
  if (code == "RESULT_NOT_KEPT") {
    // A retry of a command that took effect.
    operation.maybe_done = true;
    return GiveUp(id);
  }
  if (code == "SESSION_EXPIRED" && operation.sequence != 0) {
    session_.clear();
    return GiveUp(id);
  }
  recorder_->Unexpected(
      options_.id, absl::StrCat(Name(operation.call, operation.expiry), ": ",
                                reply.ToString()));
  operation.maybe_done = true;
  GiveUp(id);
}

void WorkloadClient::OnMoved(OperationId id, const ClientReply& reply) {
  // MOVED slot host:port.
  const std::vector<std::string> words = absl::StrSplit(reply.text, ' ');
  const std::vector<std::string>& servers = options_.cluster_servers;
  const auto server = std::find(servers.begin(), servers.end(), words.back());
  uint32_t slot = 0;
  const bool plain = !options_.cluster && !operations_.at(id).stale;
  if (plain || words.size() != 3 || server == servers.end() ||
      !absl::SimpleAtoi(words[1], &slot)) {
    recorder_->Unexpected(options_.id, reply.ToString());
    GiveUp(id);
    return;
  }
  const Operation& operation = operations_.at(id);
  const auto node = static_cast<uint32_t>(server - servers.begin());
  node_of_slot_[static_cast<uint16_t>(slot)] = node;
  if (FailedRecently(node)) ChangePreferredNode(operations_.at(id).node);
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
  // Another node may know the leader.
  node_of_slot_.erase(kv::HashSlot(operation.call.key).value());
  // Reads and commands with a session may be sent twice.
  const bool repeatable =
      operation.opens_session || IsRead(operation) || operation.sequence != 0;
  if (!repeatable || operation.sequence != 0) operation.maybe_done = true;
  if (repeatable) {
    TryAgain(id, Backoff(operation, 10, 100));
  } else {
    GiveUp(id);
  }
}

void WorkloadClient::OnLinkRefused(OperationId id) {
  const Operation& operation = operations_.at(id);
  if (operation.recorded) recorder_->OnRefused(operation.ticket);
  node_of_slot_.erase(kv::HashSlot(operation.call.key).value());
  TryAgain(id, Backoff(operation, 10, 100));
}

Duration WorkloadClient::Backoff(const Operation& operation, int64_t least_ms,
                                 int64_t spread_ms) {
  return Milliseconds(least_ms) +
         operation.random.Between(Duration(0), Milliseconds(spread_ms),
                                  "client.backoff", 0, operation.attempts);
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
    SendLater(Register(FinalWrite(operation.call.key)), wait);
  }
  delayed_.erase(id);
  operations_.erase(id);
}

void WorkloadClient::OnLinkClosed(ClientLink* link) {
  for (auto& [key, held] : links_) {
    if (held.get() != link) continue;
    avoided_until_[key.first] = env_.loop.ReadClock().mono + kAvoidTime;
    dropped_.push_back(std::move(held));
    links_.erase(key);
    break;
  }
  bury_ = env_.loop.Defer([this] { dropped_.clear(); });
}

void WorkloadClient::Sweep() {
  const MonoTime now = env_.loop.ReadClock().mono;
  // Closes a connection on which a reply is overdue. Replies come in order, so
  // no later reply can arrive, either.
  std::vector<ClientLink*> overdue;
  for (auto& [key, link] : links_) {
    const OperationId id = link->oldest();
    if (id == 0) continue;
    const Operation& operation = operations_.at(id);
    const bool stuck = operation.final ? now - link->oldest_since() >
                                             options_.operation_timeout
                                       : operation.deadline <= now;
    if (stuck) overdue.push_back(link.get());
  }
  for (ClientLink* link : overdue) link->Break();
  std::vector<OperationId> late;
  for (const auto& [id, operation] : operations_) {
    if (operation.deadline <= now) late.push_back(id);
  }
  for (const OperationId id : late) {
    // It still waits on a connection. The sweep after its link breaks ends it.
    if (delayed_.contains(id)) GiveUp(id);
  }
  sweep_ = env_.loop.At(now + kSweepInterval, [this] { Sweep(); });
}

}  // namespace quorate::sim
