#include "raft/core/configuration.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

using Members = std::vector<Member>;

// The lists are so short that looking at each member is fastest.
const Member* Find(const Members& members, ReplicaId replica) {
  for (const Member& member : members) {
    if (member.replica == replica) return &member;
  }
  return nullptr;
}

bool Contains(const Members& members, ReplicaId replica) {
  return Find(members, replica) != nullptr;
}

absl::Status ValidateList(const std::string& name, const Members& members) {
  if (members.size() > kConfigurationMembersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(members.size(), " ", name, ", at most ",
                     kConfigurationMembersMax, " are allowed"));
  }
  ReplicaId previous;
  for (const Member& member : members) {
    if (member.replica <= previous) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " are not strictly sorted at replica ",
                       member.replica.value(), " (zero is no replica)"));
    }
    previous = member.replica;
    if (member.note.size() > kMemberNoteBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("the note about replica ", member.replica.value(),
                       " has ", member.note.size(), " bytes, at most ",
                       kMemberNoteBytesMax, " are allowed"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateRoles(const Configuration& c) {
  for (const Member& learner : c.learners) {
    if (IsVoter(c, learner.replica)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "replica ", learner.replica.value(), " is both voter and learner"));
    }
  }
  for (const Member& next : c.next_learners) {
    const Member* outgoing = Find(c.outgoing_voters, next.replica);
    if (outgoing == nullptr || !SamePlace(*outgoing, next) ||
        Contains(c.voters, next.replica)) {
      return absl::InvalidArgumentError(
          absl::StrCat("next learner ", next.replica.value(),
                       " must be an outgoing voter and no voter"));
    }
  }
  for (const Member& voter : c.voters) {
    const Member* outgoing = Find(c.outgoing_voters, voter.replica);
    if (outgoing != nullptr && !SamePlace(*outgoing, voter)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "replica ", voter.replica.value(), " is on two nodes or stores"));
    }
  }
  return absl::OkStatus();
}

void AppendMembers(std::string* out, const Members& members) {
  AppendFixed<uint32_t>(out, static_cast<uint32_t>(members.size()));
  for (const Member& member : members) {
    AppendFixed<uint64_t>(out, member.replica.value());
    AppendFixed<uint32_t>(out, member.node.value());
    AppendFixed<uint64_t>(out, member.store.value());
    AppendFixed<uint32_t>(out, member.priority);
    AppendFixed<uint32_t>(out, static_cast<uint32_t>(member.note.size()));
    *out += member.note.view();
  }
}

Members TakeMembers(FixedReader* reader) {
  Members members;
  const auto count = reader->Take<uint32_t>();
  if (count > kConfigurationMembersMax) reader->Fail();
  if (reader->ok()) members.reserve(count);
  for (uint32_t i = 0; i < count && reader->ok(); ++i) {
    Member member;
    member.replica = ReplicaId(reader->Take<uint64_t>());
    member.node = NodeId(reader->Take<uint32_t>());
    member.store = StoreIncarnation(reader->Take<uint64_t>());
    member.priority = reader->Take<uint32_t>();
    member.note = Buffer::Copy(reader->TakeBytes(reader->Take<uint32_t>()));
    if (reader->ok()) members.push_back(std::move(member));
  }
  return members;
}

void AddIds(const Members& members, std::vector<ReplicaId>* ids) {
  for (const Member& member : members) ids->push_back(member.replica);
}

void SortUnique(std::vector<ReplicaId>* ids) {
  std::sort(ids->begin(), ids->end());
  ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
}

}  // namespace

bool SamePlace(const Member& a, const Member& b) {
  return a.node == b.node && a.store == b.store;
}

void SortMembers(std::vector<Member>* members) {
  std::stable_sort(
      members->begin(), members->end(),
      [](const Member& a, const Member& b) { return a.replica < b.replica; });
}

absl::Status ValidateConfiguration(const Configuration& c) {
  if (c.voters.empty()) {
    return absl::InvalidArgumentError(
        "a configuration needs at least one voter, and this one has none");
  }
  if (c.lease_length < Duration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease length ", c.lease_length.ns(), "ns is negative"));
  }
  if (c.lease_drift_ppm > kLeaseDriftPpmMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a drift of ", c.lease_drift_ppm, " ppm, at most ",
                     kLeaseDriftPpmMax, " are allowed"));
  }
  if (c.level == Level() || c.raft_level == Level()) {
    return absl::InvalidArgumentError("a configuration has no level");
  }
  if (c.parameters.size() > kParametersBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(c.parameters.size(), " bytes of parameters, at most ",
                     kParametersBytesMax, " are allowed"));
  }
  absl::Status status = ValidateList("voters", c.voters);
  if (status.ok()) status = ValidateList("outgoing voters", c.outgoing_voters);
  if (status.ok()) status = ValidateList("learners", c.learners);
  if (status.ok()) status = ValidateList("next learners", c.next_learners);
  if (status.ok()) status = ValidateRoles(c);
  return status;
}

Buffer EncodeConfiguration(const Configuration& c) {
  CHECK(ValidateConfiguration(c).ok()) << ValidateConfiguration(c).ToString();
  std::string out;
  out.push_back(static_cast<char>(kConfigurationVersion));
  AppendMembers(&out, c.voters);
  AppendMembers(&out, c.outgoing_voters);
  AppendMembers(&out, c.learners);
  AppendMembers(&out, c.next_learners);
  AppendFixed<int64_t>(&out, c.lease_length.ns());
  AppendFixed<uint32_t>(&out, c.lease_drift_ppm);
  AppendFixed<uint64_t>(&out, c.raft_level.value());
  AppendFixed<uint64_t>(&out, c.level.value());
  AppendFixed<uint64_t>(&out, c.generation);
  AppendFixed<uint64_t>(&out, c.hash_key);
  AppendFixed<uint32_t>(&out, c.machine_kind);
  AppendFixed<uint32_t>(&out, static_cast<uint32_t>(c.parameters.size()));
  out += c.parameters.view();
  return Buffer::Copy(out);
}

absl::StatusOr<Configuration> DecodeConfiguration(std::string_view bytes) {
  FixedReader reader(bytes);
  const auto version = reader.Take<uint8_t>();
  if (!bytes.empty() && version > kConfigurationVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "configuration has version ", version,
        ", but this program supports version ", kConfigurationVersion));
  }
  Configuration c;
  c.voters = TakeMembers(&reader);
  c.outgoing_voters = TakeMembers(&reader);
  c.learners = TakeMembers(&reader);
  c.next_learners = TakeMembers(&reader);
  c.lease_length = Duration(reader.Take<int64_t>());
  c.lease_drift_ppm = reader.Take<uint32_t>();
  c.raft_level = Level(reader.Take<uint64_t>());
  c.level = Level(reader.Take<uint64_t>());
  c.generation = reader.Take<uint64_t>();
  c.hash_key = reader.Take<uint64_t>();
  c.machine_kind = reader.Take<uint32_t>();
  c.parameters = Buffer::Copy(reader.TakeBytes(reader.Take<uint32_t>()));
  if (!reader.ok() || !reader.rest().empty() ||
      version != kConfigurationVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("configuration of ", bytes.size(), " bytes is malformed"));
  }
  absl::Status status = ValidateConfiguration(c);
  if (!status.ok()) return status;
  return c;
}

bool KnowsLevels(const Configuration& c, Level known_level) {
  return c.raft_level <= kRaftLevel && c.level <= known_level;
}

Configuration UnreadableConfiguration() {
  Configuration unreadable;
  unreadable.raft_level = Level(UINT64_MAX);
  return unreadable;
}

bool IsVoter(const Configuration& c, ReplicaId replica) {
  return Contains(c.voters, replica) || Contains(c.outgoing_voters, replica);
}

bool IsMember(const Configuration& c, ReplicaId replica) {
  return IsVoter(c, replica) || Contains(c.learners, replica);
}

const Member* FindMember(const Configuration& c, ReplicaId replica) {
  // The outgoing voters contain the next learners.
  for (const Members* list : {&c.voters, &c.outgoing_voters, &c.learners}) {
    if (const Member* member = Find(*list, replica)) return member;
  }
  return nullptr;
}

NodeId NodeOf(const Configuration& c, ReplicaId replica) {
  const Member* member = FindMember(c, replica);
  return member == nullptr ? NodeId() : member->node;
}

std::vector<ReplicaId> VoterReplicas(const Configuration& c) {
  std::vector<ReplicaId> ids;
  AddIds(c.voters, &ids);
  AddIds(c.outgoing_voters, &ids);
  SortUnique(&ids);
  return ids;
}

std::vector<ReplicaId> MemberReplicas(const Configuration& c) {
  std::vector<ReplicaId> ids;
  AddIds(c.voters, &ids);
  AddIds(c.outgoing_voters, &ids);
  AddIds(c.learners, &ids);
  SortUnique(&ids);
  return ids;
}

}  // namespace quorate::raft
