// kv/store/work.h: an estimate of the work of applying commands.
//
// Most commands cost about what their bytes in an entry say, and small ones
// cost as much as one of kCommandBytesMin. Others read or change long values
// that the entry does not contain, such as APPEND to a value of 1 MiB. A node
// decides by this estimate how many commands one entry has, and how many
// entries one turn applies. It is not replicated.
#ifndef QUORATE_KV_STORE_WORK_H_
#define QUORATE_KV_STORE_WORK_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "kv/command/command.h"

namespace quorate::kv {

// Commands that follow one another. Commands that were added may make values
// longer, so later ones are estimated by the new lengths.
class WorkEstimate {
 public:
  // So many bytes of values count as one byte of an entry.
  static constexpr uint64_t kValueBytesPerByte = 16;
  // It looks up its key and its session, however short they are.
  static constexpr uint64_t kCommandBytesMin = 128;
  // A command counts as so many more while a snapshot reads the store. The
  // first write to a page copies it, and touches each of its keys.
  static constexpr uint64_t kPageCopyBytes = 384;

  // The present size of the value of a key; 0 if the key is absent.
  using SizeOf = absl::FunctionRef<uint64_t(Slot slot, std::string_view key)>;

  // Adds a command. Returns the bytes of values that it copies. All that it
  // returns counts, a quarter of a value to which it appends, and half of a
  // value that it changes elsewhere.
  uint64_t AddValueBytes(const CommandSpec& command, SizeOf size_of);
  uint64_t AddValueBytes(const CommandView& command, SizeOf size_of);

  // True if AddValueBytes would return 0 for a command with this header, and
  // would not change what it returns for later ones.
  bool CopiesNothing(const CommandHeader& header) const;

  // Forgets the commands.
  void Clear() {
    noted_.clear();
    longest_short_ = 0;
  }

 private:
  template <typename Command, typename Next>
  uint64_t AddOne(const Command& command, uint32_t arguments, Next next,
                  SizeOf size_of);
  void Note(std::string_view key, uint64_t size);

  // Keys with long values that an added command wrote.
  std::map<std::string, uint64_t, std::less<>> noted_;
  // The longest value of the other keys that an added command wrote.
  uint64_t longest_short_ = 0;
};

// The work of a command of so many bytes in an entry.
inline uint64_t WorkOf(uint64_t encoded_bytes, uint64_t value_bytes) {
  return std::max(encoded_bytes, WorkEstimate::kCommandBytesMin) +
         value_bytes / WorkEstimate::kValueBytesPerByte;
}

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_WORK_H_
