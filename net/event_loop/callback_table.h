// net/event_loop/callback_table.h: the pending callbacks of an implementation
// of env/, and the env::Pending handles that cancel them. Used on the loop's
// thread only.
#ifndef QUORATE_NET_EVENT_LOOP_CALLBACK_TABLE_H_
#define QUORATE_NET_EVENT_LOOP_CALLBACK_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "env/pending.h"
#include "env/slot_pool.h"

namespace quorate::net {

// Callback must be movable, default-constructible to "none", and testable as a
// bool.
template <typename Callback>
class CallbackTable final : public env::Pending::Source {
 public:
  // Keeps `callback` until it is taken or cancelled. The id is never zero.
  uint64_t Add(Callback callback) { return pool_.Add(std::move(callback)); }

  env::Pending Handle(uint64_t id) { return env::Pending(this, id); }

  bool Owes(uint64_t id) { return pool_.Find(id) != nullptr; }

  // Removes and returns the callback; none if it was taken or cancelled.
  Callback Take(uint64_t id) { return Owes(id) ? pool_.Take(id) : Callback(); }

  // The callback is destroyed here. Its destructor may cancel other callbacks.
  void Cancel(uint64_t id) override { pool_.Remove(id); }

  size_t size() const { return pool_.size(); }

 private:
  SlotPool<Callback> pool_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_EVENT_LOOP_CALLBACK_TABLE_H_
