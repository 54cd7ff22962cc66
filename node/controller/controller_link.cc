#include "node/controller/controller_link.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/little_endian.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/apply.h"
#include "shardctrl/controller/command.h"

namespace quorate::node {
namespace {

using shardctrl::kControllerGroup;

constexpr Duration kRetryAfter = Milliseconds(50);

PeerResult Success(Buffer bytes) {
  PeerResult answer;
  answer.result.outcome = Outcome::kDone;
  answer.result.result = std::move(bytes);
  return answer;
}

PeerResult Malformed(const std::string& why) {
  PeerResult answer;
  answer.result.outcome = Outcome::kNotExecuted;
  answer.result.status = absl::InvalidArgumentError(why);
  return answer;
}

Buffer EncodeUsage(const NodeUsage& usage) {
  std::string out;
  AppendFixed(&out, usage.bytes);
  AppendFixed(&out, usage.disk.free_bytes);
  AppendFixed(&out, usage.disk.size_bytes);
  AppendFixed(&out, static_cast<uint8_t>(usage.lacks_disk));
  AppendFixed(&out, usage.memory_left);
  AppendFixed(&out, static_cast<uint8_t>(usage.brake));
  AppendFixed(&out, static_cast<uint32_t>(usage.filled.size()));
  for (const FilledReplica& filled : usage.filled) {
    AppendFixed(&out, filled.group.value());
    AppendFixed(&out, filled.node.value());
    AppendFixed(&out, filled.bytes);
    AppendFixed(&out, filled.bytes_total);
  }
  AppendFixed(&out, static_cast<uint32_t>(usage.leads.size()));
  for (const GroupId group : usage.leads) AppendFixed(&out, group.value());
  for (const HeldCommands& held : usage.held) {
    AppendFixed(&out, held.move.value());
    AppendFixed(&out, held.commands);
    AppendFixed(&out, held.longest_pause.ns());
  }
  return Buffer::Copy(out);
}

std::optional<NodeUsage> DecodeUsage(std::string_view bytes) {
  FixedReader reader(bytes);
  NodeUsage usage{.bytes = reader.Take<uint64_t>()};
  usage.disk.free_bytes = reader.Take<uint64_t>();
  usage.disk.size_bytes = reader.Take<uint64_t>();
  usage.lacks_disk = reader.Take<uint8_t>() != 0;
  usage.memory_left = reader.Take<uint64_t>();
  const auto brake = reader.Take<uint8_t>();
  if (brake > static_cast<uint8_t>(env::BulkBrake::kPeers)) reader.Fail();
  usage.brake = static_cast<env::BulkBrake>(brake);
  const auto filled_count = reader.Take<uint32_t>();
  if (filled_count > NodeUsage::kFilledMax) reader.Fail();
  while (reader.ok() && usage.filled.size() < filled_count) {
    FilledReplica& filled = usage.filled.emplace_back();
    filled.group = GroupId(reader.Take<uint32_t>());
    filled.node = NodeId(reader.Take<uint32_t>());
    filled.bytes = reader.Take<uint64_t>();
    filled.bytes_total = reader.Take<uint64_t>();
  }
  const auto leads_count = reader.Take<uint32_t>();
  if (leads_count > shardctrl::kGroupsMax) reader.Fail();
  while (reader.ok() && usage.leads.size() < leads_count) {
    usage.leads.push_back(GroupId(reader.Take<uint32_t>()));
  }
  while (reader.ok() && !reader.rest().empty() &&
         usage.held.size() < NodeUsage::kHeldMax) {
    HeldCommands& held = usage.held.emplace_back();
    held.move = MoveId(reader.Take<uint64_t>());
    held.commands = reader.Take<uint64_t>();
    held.longest_pause = Nanoseconds(reader.Take<int64_t>());
  }
  if (!reader.ok() || !reader.rest().empty()) return std::nullopt;
  return usage;
}

constexpr uint8_t kSurvivorWorks = 1;
constexpr uint8_t kSurvivorHeld = 2;

Buffer EncodeSurvivor(const shardctrl::Survivor& survivor) {
  std::string out;
  AppendFixed(&out, survivor.store.value());
  AppendFixed(&out, survivor.replica.value());
  AppendFixed(&out, static_cast<uint8_t>((survivor.works ? kSurvivorWorks : 0) |
                                         (survivor.held ? kSurvivorHeld : 0)));
  AppendFixed(&out, survivor.last.term.value());
  AppendFixed(&out, survivor.last.index.value());
  AppendFixed(&out, survivor.commit.value());
  AppendFixed(&out, survivor.configured.value());
  AppendFixed(&out, survivor.leader.value());
  if (survivor.configuration != raft::Configuration()) {
    out += raft::EncodeConfiguration(survivor.configuration).view();
  }
  return Buffer::Copy(out);
}

std::optional<shardctrl::Survivor> DecodeSurvivor(std::string_view bytes) {
  FixedReader reader(bytes);
  shardctrl::Survivor survivor;
  survivor.store = StoreIncarnation(reader.Take<uint64_t>());
  survivor.replica = ReplicaId(reader.Take<uint64_t>());
  const auto flags = reader.Take<uint8_t>();
  survivor.works = (flags & kSurvivorWorks) != 0;
  survivor.held = (flags & kSurvivorHeld) != 0;
  survivor.last.term = raft::Term(reader.Take<uint64_t>());
  survivor.last.index = raft::Index(reader.Take<uint64_t>());
  survivor.commit = raft::Index(reader.Take<uint64_t>());
  survivor.configured = raft::Index(reader.Take<uint64_t>());
  survivor.leader = NodeId(reader.Take<uint32_t>());
  if (!reader.ok()) return std::nullopt;
  if (reader.rest().empty()) return survivor;
  auto configuration = raft::DecodeConfiguration(reader.rest());
  if (!configuration.ok()) return std::nullopt;
  survivor.configuration = *std::move(configuration);
  return survivor;
}

// The state, or nothing if the asker has it.
Buffer StateFor(const shardctrl::ControllerMachine& machine,
                shardctrl::MapVersion known) {
  const shardctrl::ClusterState* const state = machine.StateUnless(known);
  return state == nullptr ? Buffer()
                          : Buffer::Copy(shardctrl::EncodeState(*state));
}

bool IsCommand(const Buffer& request) {
  return request.view().starts_with(
      static_cast<char>(ControllerQuestion::kCommand));
}

}  // namespace

void ControllerLink::Ask(ControllerQuestion question, std::string body,
                         Duration within, Done done) {
  if (open_ >= kWaitingMax) {
    return done(absl::UnavailableError(
        "too many requests wait for the controller; try again later"));
  }
  ++open_;
  body.insert(body.begin(), static_cast<char>(question));
  Try(std::make_shared<Question>(Question{.request = Buffer::Copy(body),
                                          .deadline = MonoNow() + within,
                                          .done = std::move(done)}));
}

// Others may know nodes that the map of this one lacks yet.
bool ControllerLink::CanSend(NodeId target, const Buffer& request) const {
  return links_.Knows(target) && links_.To(target).HasRoom(request.size());
}

void ControllerLink::Send(NodeId target, const Buffer& request, PeerDone done) {
  links_.To(target).Ask({.kind = PeerRequest::Kind::kControl,
                         .group = kControllerGroup,
                         .payload = request},
                        std::move(done));
}

void ControllerLink::SendOnce(NodeId target, const Buffer& request,
                              OneAnswer done) {
  if (!CanSend(target, request)) return done(std::nullopt);
  Send(target, request, [done = std::move(done)](PeerResult answer) mutable {
    const bool answered = answer.result.outcome == Outcome::kDone;
    done(answered ? std::optional(std::move(answer.result.result))
                  : std::nullopt);
  });
}

void ControllerLink::AskUsage(
    NodeId node, absl::AnyInvocable<void(std::optional<NodeUsage>)> done) {
  if (node == self_) return done(own_.usage());
  SendOnce(
      node,
      Buffer::Copy(
          std::string(1, static_cast<char>(ControllerQuestion::kUsage))),
      [done = std::move(done)](std::optional<Buffer> answer) mutable {
        done(answer.has_value() ? DecodeUsage(answer->view()) : std::nullopt);
      });
}

void ControllerLink::AskHint(NodeId node, shardctrl::MapVersion version,
                             OneAnswer done) {
  NodeId target = node;
  if (target == NodeId()) {
    const uint64_t turn = hints_++;
    target = Target(Question{});
    // Every second time one after the other.
    const std::vector<NodeId> candidates = candidates_();
    if (turn % 2 == 1 && !candidates.empty()) {
      target = candidates[turn / 2 % candidates.size()];
    }
  }
  if (target == self_) return done(std::nullopt);
  std::string request(1, static_cast<char>(ControllerQuestion::kHint));
  AppendFixed(&request, version.value());
  SendOnce(target, Buffer::Copy(request),
           [this, target,
            done = std::move(done)](std::optional<Buffer> answer) mutable {
             if (!answer.has_value() && hint_ == target) hint_ = NodeId();
             done(std::move(answer));
           });
}

void ControllerLink::AskReplica(
    NodeId node, GroupId group,
    absl::AnyInvocable<void(std::optional<shardctrl::Survivor>)> done) {
  if (node == self_) return done(own_.held(group));
  std::string request(1, static_cast<char>(ControllerQuestion::kReplica));
  AppendFixed(&request, group.value());
  SendOnce(node, Buffer::Copy(request),
           [done = std::move(done)](std::optional<Buffer> answer) mutable {
             done(answer.has_value() ? DecodeSurvivor(answer->view())
                                     : std::nullopt);
           });
}

void ControllerLink::Recover(NodeId node, ReplicaId replica,
                             uint64_t generation, Finished done) {
  if (node == self_) return own_.recover(replica, generation, std::move(done));
  std::string request(1, static_cast<char>(ControllerQuestion::kRecover));
  AppendFixed(&request, replica.value());
  AppendFixed(&request, generation);
  const Buffer bytes = Buffer::Copy(request);
  if (!CanSend(node, bytes)) {
    return done(absl::UnavailableError(
        absl::StrCat("no message reaches node ", node.value())));
  }
  Send(node, bytes, [done = std::move(done)](PeerResult answer) mutable {
    if (answer.result.outcome == Outcome::kDone) return done(absl::OkStatus());
    if (answer.result.outcome == Outcome::kNotExecuted) {
      return done(std::move(answer.result.status));
    }
    done(absl::UnknownError(std::string(answer.result.status.message())));
  });
}

NodeId ControllerLink::Target(const Question& question) const {
  if (follows()) {
    const NodeId leader = host_.leader(kControllerGroup);
    if (leader == self_ || links_.Knows(leader)) return leader;
  }
  if (links_.Knows(hint_) && question.attempts % 2 == 0) return hint_;
  const std::vector<NodeId> candidates = candidates_();
  if (candidates.empty()) return hint_;
  return turn_.At(candidates, question.attempts / 2);
}

void ControllerLink::Try(const Waiting& question) {
  const NodeId target = Target(*question);
  ++question->attempts;
  if (target == self_) {
    return Answer(question->request,
                  [this, question](PeerResult answer) mutable {
                    OnAnswer(question, self_, std::move(answer));
                  });
  }
  question->asked = target;
  if (!CanSend(target, question->request)) return TryAgain(question);
  Send(target, question->request,
       [this, question, target](PeerResult answer) mutable {
         OnAnswer(question, target, std::move(answer));
       });
}

void ControllerLink::OnAnswer(const Waiting& question, NodeId asked,
                              PeerResult answer) {
  if (answer.result.outcome == Outcome::kDone) {
    if (asked != self_) hint_ = asked;
    return Finish(question, std::move(answer.result.result));
  }
  if (absl::IsInvalidArgument(answer.result.status)) {
    return Finish(question, answer.result.status);
  }
  question->passed_on |= answer.result.outcome == Outcome::kUnknown &&
                         IsCommand(question->request);
  hint_ = answer.leader;
  TryAgain(question);
}

void ControllerLink::TryAgain(const Waiting& question) {
  if (MonoNow() >= question->deadline) {
    if (question->asked != NodeId()) turn_.OnNoAnswer(question->asked);
    constexpr const char* kNoLeader =
        "the controller has no leader that this node reaches; data are served "
        "meanwhile. ";
    return Finish(
        question,
        question->passed_on
            ? absl::UnknownError(absl::StrCat(
                  kNoLeader,
                  "The change may have taken effect, or may do so later"))
            : absl::UnavailableError(absl::StrCat(
                  kNoLeader,
                  "Try again, or look at the nodes with quoratectl status")));
  }
  again_.push_back(question);
  if (again_.size() == 1) {
    retry_ = env_.loop.At(MonoNow() + kRetryAfter, [this] { RetryAll(); });
  }
}

void ControllerLink::RetryAll() {
  for (const Waiting& question : std::exchange(again_, {})) Try(question);
}

void ControllerLink::Finish(const Waiting& question,
                            absl::StatusOr<Buffer> answer) {
  CHECK_GT(open_, 0u);
  --open_;
  std::exchange(question->done, nullptr)(std::move(answer));
}

const shardctrl::ControllerMachine* ControllerLink::machine() const {
  if (!host_.group_status(kControllerGroup).ok()) return nullptr;
  return static_cast<const shardctrl::ControllerMachine*>(
      host_.state_machine(kControllerGroup));
}

bool ControllerLink::leads() const {
  const raft::Core* const core = host_.core(kControllerGroup);
  return core != nullptr && core->role() == raft::RoleKind::kLeader;
}

// A learner does not campaign, so it never forgets its leader.
bool ControllerLink::follows() const {
  const raft::Core* const core = host_.core(kControllerGroup);
  return machine() != nullptr && host_.leader(kControllerGroup) != NodeId() &&
         raft::IsVoter(core->configuration(), core->replica());
}

PeerResult ControllerLink::NotLeading() const {
  PeerResult answer;
  answer.result.outcome = Outcome::kNotExecuted;
  answer.result.status =
      absl::UnavailableError("this node does not lead the controller");
  answer.leader = follows() ? host_.leader(kControllerGroup) : NodeId();
  if (answer.leader == self_) answer.leader = NodeId();
  const raft::Core* const core = host_.core(kControllerGroup);
  if (answer.leader != NodeId() && core != nullptr) answer.term = core->term();
  return answer;
}

void ControllerLink::AnswerOwn(ControllerQuestion question,
                               std::string_view body, PeerDone done) {
  FixedReader reader(body);
  if (question == ControllerQuestion::kUsage) {
    return done(Success(EncodeUsage(own_.usage())));
  }
  if (question == ControllerQuestion::kReplica) {
    const GroupId group(reader.Take<uint32_t>());
    if (!reader.ok() || !reader.rest().empty()) {
      return done(Malformed("a group id has 4 bytes"));
    }
    return done(Success(EncodeSurvivor(own_.held(group))));
  }
  const ReplicaId replica(reader.Take<uint64_t>());
  const auto generation = reader.Take<uint64_t>();
  if (!reader.ok() || !reader.rest().empty()) {
    return done(Malformed("a recovery has 16 bytes"));
  }
  own_.recover(replica, generation,
               [done = std::move(done)](absl::Status status) mutable {
                 if (status.ok()) return done(Success(Buffer()));
                 PeerResult answer;
                 answer.result.outcome = Outcome::kNotExecuted;
                 answer.result.status = std::move(status);
                 done(std::move(answer));
               });
}

void ControllerLink::Answer(Buffer request, PeerDone done) {
  const std::string_view bytes = request.view();
  const auto question =
      static_cast<ControllerQuestion>(bytes.empty() ? 0 : bytes.front());
  const std::string_view body = bytes.empty() ? bytes : bytes.substr(1);
  if (question == ControllerQuestion::kUsage ||
      question == ControllerQuestion::kReplica ||
      question == ControllerQuestion::kRecover) {
    return AnswerOwn(question, body, std::move(done));
  }
  const bool about_state = question == ControllerQuestion::kState ||
                           question == ControllerQuestion::kHint;
  if (about_state && body.size() != sizeof(uint64_t)) {
    return done(Malformed("a version has 8 bytes"));
  }
  const shardctrl::MapVersion known(
      about_state ? LoadFixed<uint64_t>(body.data()) : 0);
  if (question == ControllerQuestion::kHint) {
    const shardctrl::ClusterState* const state = own_.known();
    if (state == nullptr) return done(NotLeading());
    return done(Success(state->version > known
                            ? Buffer::Copy(shardctrl::EncodeState(*state))
                            : Buffer()));
  }
  if (machine() == nullptr) return done(NotLeading());
  switch (question) {
    case ControllerQuestion::kUsage:
    case ControllerQuestion::kReplica:
    case ControllerQuestion::kRecover:
    case ControllerQuestion::kHint:
      break;
    case ControllerQuestion::kCommand: {
      const auto command = shardctrl::DecodeCommand(body);
      if (!command.ok())
        return done(Malformed(std::string(command.status().message())));
      return host_.Propose(kControllerGroup, Buffer::Copy(body),
                           [this, done = std::move(done)](
                               const raft::ProposeResult& result) mutable {
                             if (result.outcome == Outcome::kDone) {
                               return done(Success(result.result));
                             }
                             PeerResult answer = NotLeading();
                             answer.result.outcome = result.outcome;
                             done(std::move(answer));
                           });
    }
    case ControllerQuestion::kState:
    case ControllerQuestion::kDryRun:
      return host_.Read(
          kControllerGroup,
          [this, question, known, request = std::move(request),
           done = std::move(done)](absl::Status status) mutable {
            if (!status.ok() || machine() == nullptr) {
              return done(NotLeading());
            }
            if (question == ControllerQuestion::kState) {
              return done(Success(StateFor(*machine(), known)));
            }
            const auto command =
                shardctrl::DecodeCommand(request.view().substr(1));
            if (!command.ok()) {
              return done(Malformed(std::string(command.status().message())));
            }
            done(Success(Buffer::Copy(shardctrl::EncodeAnswer(shardctrl::DryRun(
                machine()->state(), *command,
                host_.core(kControllerGroup)->applied_log_time())))));
          });
  }
  done(Malformed("an unknown question to the controller"));
}

}  // namespace quorate::node
