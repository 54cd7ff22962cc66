#include "sim/cluster/state_text.h"

#include <map>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/command/version.h"
#include "kv/slots/slot_scan.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/state.h"

namespace quorate::sim {
namespace {

constexpr size_t kArgumentShown = 40;
// Keys of a visit to the store.
constexpr uint32_t kKeysAtATime = 1'000;

std::string Quoted(std::string_view bytes) {
  const std::string_view shown = bytes.substr(0, kArgumentShown);
  return absl::StrCat(
      "\"", absl::CEscape(absl::string_view(shown.data(), shown.size())), "\"",
      bytes.size() > shown.size() ? absl::StrCat("… ", bytes.size(), " bytes")
                                  : "");
}

// Adds the keys of an owned slot.
void AddKeys(const kv::Store& store, Slot slot,
             std::map<std::string, Slot>* keys) {
  uint64_t cursor = slot.value();
  do {
    const kv::CommandSpec scan{.op = kv::Op::kScan,
                               .slot = slot,
                               .numbers = {static_cast<int64_t>(cursor),
                                           kv::ScanBounds(slot, kKeysAtATime)}};
    cursor = 0;
    const auto add = [&](const kv::ResultView& result) {
      kv::ArrayReader elements(result.bytes);
      std::string_view bytes;
      if (!elements.Next(&bytes) ||
          !absl::SimpleAtoi(absl::string_view(bytes.data(), bytes.size()),
                            &cursor)) {
        return;
      }
      while (!elements.done() && elements.Next(&bytes)) {
        keys->emplace(bytes, slot);
      }
    };
    if (!store.Read(scan, {}, add)) return;
  } while (cursor != 0);
}

}  // namespace

std::string StoreText(const kv::Store& store) {
  std::string text = "slots";
  for (const kv::SlotRun& run : store.slot_runs()) {
    absl::StrAppend(&text, " ", run.first.value(), "-", run.last.value(),
                    " epoch ", run.epoch.value(), " state ",
                    static_cast<int>(run.state));
  }
  absl::StrAppend(&text, "\nlog time ", store.log_time().ms(), " ms\nkeys ",
                  store.key_count(), ", expiring ", store.expiring_key_count(),
                  "\nsessions ", store.session_count(), "\nmemory ",
                  store.memory_bytes(), " bytes\n");
  std::map<std::string, Slot> keys;
  for (const SlotRange& range : store.owned()) {
    for (uint32_t slot = range.first.value(); slot <= range.last.value();
         ++slot) {
      const Slot one(static_cast<uint16_t>(slot));
      if (store.key_count({one, one}) > 0) AddKeys(store, one, &keys);
    }
  }
  for (const auto& [key, slot] : keys) {
    const kv::Lookup found = store.Get(slot, key, {});
    absl::StrAppend(&text, "key ", Quoted(key), " = ", Quoted(found.value),
                    ", version ", kv::FormatVersion(found.version), ", due ",
                    found.expire_at_ms, "\n");
  }
  return text;
}

std::string StateText(const node::Server& server, GroupId group) {
  const kv::Store* const store = server.store(group);
  if (store != nullptr) return StoreText(*store);
  const raft::StateMachine* const machine = server.host().state_machine(group);
  if (machine == nullptr || group != shardctrl::kControllerGroup) return "";
  return shardctrl::EncodeState(
      static_cast<const shardctrl::ControllerMachine*>(machine)->state());
}

}  // namespace quorate::sim
