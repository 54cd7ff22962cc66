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
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kv/command/command.h"

namespace quorate::kv {

// Commands that follow one another. Commands that were added change the lengths
// of values, so later ones are estimated by the new lengths. Only long values
// are noted, and later changes of their keys. Keys that a flush removes count
// until it is executed.
//
// Memory and time are bounded: a table of fixed size, made once. If two keys
// with long values meet in a cell, each counts as the longer of them.
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

  // The commands that are added from now on have this number, which never
  // decreases.
  void SetNumber(uint64_t number) { number_ = number; }
  // Forgets the commands with this number and with lower ones.
  void ForgetThrough(uint64_t number) { forgotten_ = number; }
  // Forgets all commands.
  void Clear() { forgotten_ = number_++; }

 private:
  // The value that the commands give to a key. Keys share cells by their
  // hashes. Void if its number is forgotten.
  struct Cell {
    uint64_t number = 0;
    uint32_t tag = 0;  // kShared: the longest value of several keys.
    uint32_t bytes = 0;
  };
  static constexpr uint32_t kShared = 0;

  bool none_noted() const { return newest_ <= forgotten_; }
  template <typename Command, typename Next>
  uint64_t AddOne(const Command& command, uint32_t arguments, Next next,
                  SizeOf size_of);
  // Adds a command that replaces or removes whole values.
  template <typename Command, typename Next>
  uint64_t AddReplacement(const Command& command, uint32_t arguments, Next next,
                          SizeOf size_of);
  // The size of the value once the added commands are executed.
  uint64_t Present(Slot slot, std::string_view key, SizeOf size_of) const;
  void Note(std::string_view key, uint64_t size);

  std::vector<Cell> cells_;  // Empty: no command made a value long.
  uint64_t number_ = 1;
  uint64_t forgotten_ = 0;
  uint64_t newest_ = 0;  // The number of the last command in a cell.
};

// The work of a command of so many bytes in an entry.
inline uint64_t WorkOf(uint64_t encoded_bytes, uint64_t value_bytes) {
  return std::max(encoded_bytes, WorkEstimate::kCommandBytesMin) +
         value_bytes / WorkEstimate::kValueBytesPerByte;
}

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_WORK_H_
