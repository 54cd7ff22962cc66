#include "bench/keys_moved/ways.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "env/check.h"
#include "env/ids.h"
#include "env/siphash.h"
#include "kv/slots/slot.h"
#include "shardctrl/planner.h"

namespace quorate::bench {
namespace {

constexpr SipKey kKeyHash = {1, 0};
constexpr SipKey kGroupHash = {2, 0};
constexpr uint64_t kNames = 3;

// Keys hash to 64 bits, so the modulo favours no group noticeably.
uint32_t ModuloGroup(uint64_t hash, uint32_t groups) {
  return static_cast<uint32_t>(hash % groups);
}

std::vector<GroupId> GroupIds(uint32_t count) {
  std::vector<GroupId> groups;
  for (uint32_t i = 0; i < count; ++i) groups.push_back(GroupId(i + 1));
  return groups;
}

// The places of `groups` groups, sorted.
std::vector<std::pair<uint64_t, uint32_t>> RingOf(uint32_t groups,
                                                  uint32_t points,
                                                  uint64_t round) {
  std::vector<std::pair<uint64_t, uint32_t>> ring;
  for (uint32_t group = 0; group < groups; ++group) {
    for (uint32_t point = 0; point < points; ++point) {
      const std::string name = absl::StrCat(round, ":", group, ":", point);
      ring.emplace_back(SipHash(kGroupHash, name), group);
    }
  }
  std::sort(ring.begin(), ring.end());
  return ring;
}

uint32_t NextOnRing(const std::vector<std::pair<uint64_t, uint32_t>>& ring,
                    uint64_t hash) {
  const auto next =
      std::lower_bound(ring.begin(), ring.end(), std::pair(hash, 0u));
  return next == ring.end() ? ring.front().second : next->second;
}

double Imbalance(const std::vector<uint32_t>& owners, uint32_t groups) {
  std::vector<uint64_t> keys(groups);
  for (const uint32_t owner : owners) ++keys[owner];
  const double mean = static_cast<double>(owners.size()) / groups;
  return static_cast<double>(*std::max_element(keys.begin(), keys.end())) /
         mean;
}

}  // namespace

// Counted names would flatter slots: CRC16 spreads them more evenly than
// chance.
std::vector<HashedKey> KeysOfRound(uint64_t round, uint64_t count) {
  std::vector<HashedKey> keys;
  keys.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string name =
        absl::StrCat("user:", absl::Hex(SipHash({kNames, round}, i)));
    keys.push_back({kv::HashSlot(name), SipHash(kKeyHash, name)});
  }
  return keys;
}

KeyOwners OwnersByPlanner(const std::vector<HashedKey>& keys, uint32_t groups) {
  const std::vector<GroupId> ids = GroupIds(groups + 1);
  const std::vector<shardctrl::Assignment> even =
      shardctrl::AssignEvenly(kHashSlotCount, {ids.data(), groups});
  std::vector<uint32_t> before(kHashSlotCount);
  for (const shardctrl::Assignment& one : even) {
    std::fill_n(before.begin() + one.slots.first.value(), one.slots.size(),
                one.group.value() - 1);
  }
  std::vector<uint32_t> after = before;
  std::vector<shardctrl::SlotShare> shares;
  for (const GroupId id : ids) shares.push_back({.group = id});
  for (const auto& transfer : shardctrl::PlanBalance(even, shares)) {
    std::fill_n(after.begin() + transfer.slots.first.value(),
                transfer.slots.size(), transfer.to.value() - 1);
  }
  KeyOwners owners;
  for (const HashedKey& key : keys) {
    owners.before.push_back(before[key.slot.value()]);
    owners.after.push_back(after[key.slot.value()]);
  }
  return owners;
}

KeyOwners OwnersByRing(const std::vector<HashedKey>& keys, uint32_t groups,
                       uint32_t points, uint64_t round) {
  const auto before = RingOf(groups, points, round);
  const auto after = RingOf(groups + 1, points, round);
  KeyOwners owners;
  for (const HashedKey& key : keys) {
    owners.before.push_back(NextOnRing(before, key.hash));
    owners.after.push_back(NextOnRing(after, key.hash));
  }
  return owners;
}

KeyOwners OwnersByRendezvous(const std::vector<HashedKey>& keys,
                             uint32_t groups) {
  KeyOwners owners;
  for (const HashedKey& key : keys) {
    std::pair<uint64_t, uint32_t> greatest = {};
    for (uint32_t group = 0; group <= groups; ++group) {
      if (group == groups) owners.before.push_back(greatest.second);
      greatest = std::max(
          greatest, std::pair(SipHash({key.hash, 0}, uint64_t{group}), group));
    }
    owners.after.push_back(greatest.second);
  }
  return owners;
}

KeyOwners OwnersByModulo(const std::vector<HashedKey>& keys, uint32_t groups) {
  KeyOwners owners;
  for (const HashedKey& key : keys) {
    owners.before.push_back(ModuloGroup(key.hash, groups));
    owners.after.push_back(ModuloGroup(key.hash, groups + 1));
  }
  return owners;
}

KeysMoved CompareOwners(const KeyOwners& owners, uint32_t groups) {
  CHECK(!owners.before.empty());
  CHECK_EQ(owners.before.size(), owners.after.size());
  uint64_t moved = 0;
  uint64_t between_old = 0;
  for (size_t i = 0; i < owners.before.size(); ++i) {
    if (owners.before[i] == owners.after[i]) continue;
    ++moved;
    if (owners.after[i] < groups) ++between_old;
  }
  const auto keys = static_cast<double>(owners.before.size());
  return {.moved = static_cast<double>(moved) / keys,
          .between_old = static_cast<double>(between_old) / keys,
          .imbalance_before = Imbalance(owners.before, groups),
          .imbalance_after = Imbalance(owners.after, groups + 1)};
}

std::vector<KeysMovedRow> MeasureKeysMoved(const std::vector<uint32_t>& groups,
                                           uint64_t keys, uint64_t rounds) {
  using Keys = std::vector<HashedKey>;
  using Way = std::function<KeyOwners(const Keys&, uint32_t, uint64_t)>;
  const auto ring = [](uint32_t points) -> Way {
    return [points](const Keys& of, uint32_t count, uint64_t round) {
      return OwnersByRing(of, count, points, round);
    };
  };
  const auto without_round = [](auto* way) -> Way {
    return [way](const Keys& of, uint32_t count, uint64_t) {
      return way(of, count);
    };
  };
  const std::pair<const char*, Way> ways[] = {
      {"slots, this planner", without_round(OwnersByPlanner)},
      {"ring, 100 points each", ring(100)},
      {"ring, 1,000 points each", ring(1'000)},
      {"rendezvous", without_round(OwnersByRendezvous)},
      {"modulo", without_round(OwnersByModulo)}};
  std::vector<KeysMovedRow> rows;
  for (const uint32_t count : groups) {
    for (const auto& [name, way] : ways) rows.push_back({name, count, {}});
  }
  const double part = 1.0 / static_cast<double>(rounds);
  for (uint64_t round = 0; round < rounds; ++round) {
    const Keys names = KeysOfRound(round, keys);
    auto row = rows.begin();
    for (const uint32_t count : groups) {
      for (const auto& [name, way] : ways) {
        const KeysMoved one = CompareOwners(way(names, count, round), count);
        KeysMoved& mean = row++->mean;
        mean.moved += one.moved * part;
        mean.between_old += one.between_old * part;
        mean.imbalance_before += one.imbalance_before * part;
        mean.imbalance_after += one.imbalance_after * part;
      }
    }
  }
  return rows;
}

double LeastMoved(uint32_t groups) { return 1.0 / (groups + 1.0); }

std::string KeysMovedTable(const std::vector<KeysMovedRow>& rows) {
  std::string text =
      "| groups | way | keys moved | least if even | of these between old "
      "groups | imbalance before | after |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const KeysMovedRow& row : rows) {
    absl::StrAppendFormat(
        &text, "| %d → %d | %s | %.2f %% | %.2f %% | %.2f %% | %.3f | %.3f |\n",
        row.groups, row.groups + 1, row.name, 100 * row.mean.moved,
        100 * LeastMoved(row.groups), 100 * row.mean.between_old,
        row.mean.imbalance_before, row.mean.imbalance_after);
  }
  return text;
}

}  // namespace quorate::bench
