#include "node/routing/router.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/outcome.h"
#include "kv/store/store.h"

namespace quorate::node {
namespace {

// The last slot of a command on whole slots (kv::SlotsOf), or on keys of one
// slot.
Slot LastSlotOf(const kv::CommandSpec& spec) {
  const auto slots = kv::SlotsOf(spec.op, spec.numbers);
  return slots.has_value() ? Slot(static_cast<uint16_t>(slots->second))
                           : spec.slot;
}

bool SlotsAgree(const kv::CommandView& command, const Router::SlotOf& slot_of) {
  const uint32_t step = kv::KeyStep(command.op);
  kv::ArgumentReader arguments = command.arguments;
  for (uint32_t i = 0; step > 0 && i < command.arguments.count(); ++i) {
    const std::string_view argument = arguments.Next();
    if (i % step != 0) continue;
    const kv::SlotKey of = kv::KeyOf(command.op, command.slot, argument);
    if (slot_of(of.key) != of.slot) return false;
  }
  return true;
}

// Whether each key of the batch of another node belongs to the slot of its
// command. Malformed commands do nothing.
bool SlotsAgree(const Buffer& batch, const Router::SlotOf& slot_of) {
  kv::CommandReader reader(batch.view());
  kv::CommandView command;
  while (reader.ok() && !reader.done()) {
    if (!reader.Next(&command)) continue;
    if (!SlotsAgree(command, slot_of)) return false;
    if (command.op != kv::Op::kAtomic) continue;
    kv::CommandReader nested = kv::CommandReader::Nested(command);
    kv::CommandView one;
    while (!nested.done()) {
      if (nested.Next(&one) && !SlotsAgree(one, slot_of)) return false;
    }
  }
  return true;
}

}  // namespace

Router::Router(env::Env& env, raft::Host& host, const Config& config,
               const shardctrl::ShardMap& map, OutputBudget& budget,
               MemoryBudget& memory, TurnWork& work, SlotOf slot_of)
    : env_(env),
      slot_of_(std::move(slot_of)),
      links_(env, config, work),
      view_(env, host, config, map, links_),
      map_(map),
      owners_(map),
      refused_(env.loop, owners_),
      parts_{env.loop,
             env.buggify,
             host,
             config,
             links_,
             view_,
             budget,
             memory,
             work,
             refused_,
             held_,
             [this](size_t place) { Wake(place); },
             [this] {
               leadership_changed_ = true;
               Defer();
             }},
      alarm_(env.loop, [this] {
        for (const size_t index : timed_) Wake(index);
        Defer();
      }) {
  for (const shardctrl::Group& group : map.groups()) {
    queues_.push_back(std::make_unique<GroupQueue>(parts_, group.id,
                                                   /*place=*/queues_.size()));
  }
  is_woken_.resize(queues_.size());
}

void Router::Start() {
  links_.Start(
      [this](PeerRequest request, PeerDone done, AnswerRoom& room) {
        OnPeerRequest(std::move(request), std::move(done), room);
      },
      [this] { WakeAll(); }, &view_);
  // Without delay: a request may arrive before the first flush of this turn.
  for (size_t i = 0; i < queues_.size(); ++i) {
    queues_[i]->RefreshLeadership();
    NoteApplied(*queues_[i]);  // A snapshot may have been loaded.
    Wake(i);
  }
  view_.SetObserver([this] {
    for (size_t i = 0; i < queues_.size(); ++i) {
      const GroupQueue& queue = *queues_[i];
      if (!queue.hosted() || !view_.OwnStatus(queue.group()).ok()) Wake(i);
    }
  });
  view_.Start();
}

void Router::OnReplicasStopped() {
  view_.OnOwnChange();
  WakeAll();
}

// The queues take turns to be the first one, which finds most room on a link.
void Router::WakeAll() {
  for (size_t i = 0; i < queues_.size(); ++i) {
    Wake((first_woken_ + i) % queues_.size());
  }
  first_woken_ = (first_woken_ + 1) % queues_.size();
}

void Router::OnPeerRequest(PeerRequest request, PeerDone done,
                           AnswerRoom& room) {
  GroupQueue* const queue = FindQueue(request.group);
  const auto refuse = [&done](absl::Status why) {
    PeerResult refusal;
    refusal.result.outcome = Outcome::kNotExecuted;
    refusal.result.status = std::move(why);
    done(std::move(refusal));
  };
  if (queue == nullptr) return refuse(absl::UnavailableError("no such group"));
  ++peer_requests_;
  // The asker learns of the next leader, rather than ask this node again.
  if (refuses_peers_) return done(queue->NotLeading());
  parts_.work.Add(request.payload.size() / TurnWork::kCopiedBytesPerUnit);
  // A key in another slot would be found by no client.
  if (request.kind != PeerRequest::Kind::kOpen &&
      !SlotsAgree(request.payload, slot_of_)) {
    return refuse(absl::InvalidArgumentError(
        "a key does not belong to the slot of its command"));
  }
  switch (request.kind) {
    case PeerRequest::Kind::kOpen:
      return done(queue->OpenForPeer(request.stamp));
    case PeerRequest::Kind::kApply:
      return queue->ApplyForPeer(request.stamp, std::move(request.payload),
                                 std::move(done));
    case PeerRequest::Kind::kRead:
      return queue->ReadForPeer(std::move(request.payload), std::move(done),
                                room);
  }
}

void Router::OnMapChanged() {
  owners_.Update(map_);
  Defer();
}

// Once a former group is settled for this sink it stays so: the sink's later
// commands to the slots go elsewhere.
const RequestSink::ConnectionOrder* Router::FindUnsettled(
    RequestSink* sink, const SlotOwners::Range& range) const {
  const RequestSink::ConnectionOrder* unsettled = nullptr;
  for (const SlotOwners::Former& former : range.former) {
    RequestSink::ConnectionOrder* const order =
        sink->routing().FindOrder(former.group);
    if (order == nullptr || order->settled_through >= former.lost.value()) {
      continue;
    }
    if (order->outstanding()) return order;
    if (order->unsettled > 0) {
      unsettled = order;
    } else {
      order->settled_through = owners_.version().value();
    }
  }
  return unsettled;
}

// A command with an unknown outcome may be executed later by the group that it
// was sent to. So the next command follows it there. That group executes the
// next command behind it, or refuses the next one. Then it has decided about
// the first one too, and the next one is routed again.
//
// The node forwards it there, also for a client that wants MOVED: the former
// group's leader would send that client back here, and so on.
GroupQueue* Router::QueueFor(RoutedRequest* request, Slot first, Slot last) {
  const SlotOwners::Range& own = owners_.RangeOf(first);
  if (first == last && own.former.empty()) return queues_[own.position].get();
  GroupQueue* queue = queues_[own.position].get();
  for (const SlotOwners::Range* range : owners_.RangesOf(first, last)) {
    const RequestSink::ConnectionOrder* order =
        FindUnsettled(request->sink, *range);
    if (order == nullptr) continue;
    if (order->outstanding()) return nullptr;
    queue = FindQueue(order->group);
    request->redirect = false;
  }
  return queue;
}

Admission Router::AddInOrder(RoutedRequest request,
                             const kv::CommandSpec& spec) {
  if (request.sink->routing().refused_commands > 0) return Admission::kBlocked;
  CHECK(!kv::NamesSlots(spec.op) || !slots_moved()) << "see slots_moved()";
  GroupQueue* const queue = QueueFor(&request, spec.slot, LastSlotOf(spec));
  return queue == nullptr ? Admission::kBlocked : queue->Add(request, spec);
}

Admission Router::AddAtomic(RoutedRequest request, Slot slot,
                            const std::optional<kv::SessionStamp>& session,
                            absl::Span<const kv::CommandSpec> specs) {
  if (request.sink->routing().refused_commands > 0) return Admission::kBlocked;
  GroupQueue* const queue = QueueFor(&request, slot, slot);
  return queue == nullptr ? Admission::kBlocked
                          : queue->AddAtomic(request, slot, session, specs);
}

void Router::RouteRefused() {
  if (refused_.empty()) return;
  refused_.RouteAgain([this](const RefusedCommands::Command& command) {
    RoutedRequest request = command.request;
    GroupQueue* const queue = QueueFor(&request, command.slot, command.slot);
    const bool routed =
        queue != nullptr &&
        queue->AddAgain(request, command.batch) == Admission::kAccepted;
    if (routed) env_.tracer.Sometimes("node.refused_command_routed_again");
    return routed;
  });
}

GroupQueue* Router::FindQueue(GroupId group) {
  const size_t index = IndexOf(group);
  return index == queues_.size() ? nullptr : queues_[index].get();
}

NodeId Router::LeaderOf(GroupId group) const {
  const size_t index = IndexOf(group);
  return index == queues_.size() ? NodeId()
                                 : queues_[index]->leadership().leader;
}

size_t Router::IndexOf(GroupId group) const {
  const auto found = std::ranges::lower_bound(
      queues_, group, {}, [](const auto& queue) { return queue->group(); });
  return found == queues_.end() || (*found)->group() != group
             ? queues_.size()
             : static_cast<size_t>(found - queues_.begin());
}

void Router::OnLeadershipEvent(GroupId group) {
  const size_t index = IndexOf(group);
  if (index < queues_.size()) Wake(index);
}

void Router::NoteApplied(GroupQueue& queue) {
  queue.NoteApplied();
  const kv::Store* const store = queue.store();
  if (store != nullptr) log_time_ = std::max(log_time_, store->log_time());
}

void Router::OnApplied(GroupId group) {
  const size_t index = IndexOf(group);
  CHECK(index < queues_.size()) << group;
  NoteApplied(*queues_[index]);
  if (queues_[index]->awaits_leaders_entry()) Wake(index);
}

void Router::ForgetBlocked(RequestSink* sink) {
  for (const auto& queue : queues_) queue->ForgetBlocked(sink);
}

void Router::ServeParked(RequestSink* sink) {
  for (const GroupId group : sink->routing().GroupsOfParked()) {
    FindQueue(group)->ServeParked(sink);
  }
}

void Router::DropReads(RequestSink* sink) {
  sink->routing().drops_reads = true;
  for (const GroupId group : sink->routing().GroupsOfParked()) {
    FindQueue(group)->DropParked(sink);
  }
}

bool Router::idle() const {
  return links_.idle() && refused_.empty() &&
         std::all_of(queues_.begin(), queues_.end(), [](const auto& queue) {
           return queue->waiting_requests() == 0 && queue->inflight() == 0;
         });
}

void Router::Wake(size_t index) {
  if (!is_woken_[index]) {
    is_woken_[index] = true;
    woken_.push_back(index);
  }
  Defer();
}

void Router::Defer() {
  if (flush_deferred_) return;
  flush_deferred_ = true;
  deferred_ = env_.loop.Defer([this] { Flush(); });
}

void Router::Flush() {
  flush_deferred_ = false;
  std::vector<size_t> woken;
  woken.swap(woken_);
  for (const size_t index : woken) is_woken_[index] = false;
  for (const size_t index : woken) {
    queues_[index]->Flush();
    if (queues_[index]->next_deadline() != MonoTime::Max()) {
      timed_.insert(index);
    } else {
      timed_.erase(index);
    }
  }
  RouteRefused();
  if (std::exchange(leadership_changed_, false) && on_leadership_) {
    on_leadership_();
  }
  if (woken_.empty()) {
    woken.clear();
    woken_.swap(woken);  // Keeps the capacity.
  }
  SetAlarm();
}

void Router::SetAlarm() {
  MonoTime next = refused_.next_deadline();
  for (const size_t index : timed_) {
    next = std::min(next, queues_[index]->next_deadline());
  }
  alarm_.SetFor(next);
}

}  // namespace quorate::node
