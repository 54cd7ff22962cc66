// examples/outside/bank_journal.h: lines that are on disk before they count. A
// file of the data directory, written by one task.
#ifndef QUORATE_EXAMPLES_OUTSIDE_BANK_JOURNAL_H_
#define QUORATE_EXAMPLES_OUTSIDE_BANK_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "env/task/task.h"
#include "env/task/wait.h"

class BankJournal {
 public:
  template <typename T>
  using Task = quorate::env::Task<T>;

  // With kLater a line counts as soon as the system has it: a loss of power may
  // take it back. `env` outlives the object.
  BankJournal(quorate::env::Env& env, quorate::env::Durability durability)
      : env_(env), durability_(durability) {}

  // The lines of the last run, up to the first one that is torn. They need not
  // be durable: a process may have died between a write and its sync.
  Task<absl::StatusOr<std::vector<std::string>>> Read();
  // Begins a journal with these durable lines. The former one is replaced.
  Task<absl::Status> Begin(std::vector<std::string> lines);
  // Writes lines, until the disk fails; returns the error.
  Task<absl::Status> Run();
  // Ends when the line counts. After an error it may be on disk, and each later
  // call fails.
  Task<absl::Status> Append(std::string line);

 private:
  quorate::env::Env& env_;
  const quorate::env::Durability durability_;
  std::unique_ptr<quorate::env::File> file_;
  uint64_t end_ = 0;     // Of the file, in bytes.
  std::string waiting_;  // Bytes of lines that no write has.
  uint64_t appended_ = 0;
  uint64_t written_ = 0;  // Lines that count.
  absl::Status failure_;
  quorate::env::Signal changed_;
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_BANK_JOURNAL_H_
