#include "bank_journal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/task/files.h"

namespace env = quorate::env;
using quorate::Buffer;

namespace {

constexpr char kName[] = "journal";
constexpr char kNewName[] = "journal.new";
constexpr size_t kDigits = 16;

// FNV-1a, in hexadecimal digits.
std::string Checksum(std::string_view line) {
  uint64_t sum = 0xcbf29ce484222325;
  for (const char c : line) {
    sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return absl::StrCat(absl::Hex(sum, absl::kZeroPad16));
}

std::string Encode(std::string_view line) {
  return absl::StrCat(Checksum(line), std::string(line), "\n");
}

}  // namespace

env::Task<absl::StatusOr<std::vector<std::string>>> BankJournal::Read() {
  std::vector<std::string> lines;
  auto file =
      co_await env::Open(env_.disk, kName, env::Disk::OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) co_return lines;
  if (!file.ok()) co_return file.status();
  absl::StatusOr<uint64_t> size = co_await env::Size(**file);
  if (!size.ok()) co_return size.status();
  absl::StatusOr<Buffer> bytes = co_await env::Read(**file, 0, *size);
  if (!bytes.ok()) co_return bytes.status();
  std::string_view rest = bytes->view();
  for (size_t end; (end = rest.find('\n')) != rest.npos;
       rest = rest.substr(end + 1)) {
    const std::string_view line = rest.substr(0, end);
    if (end < kDigits ||
        Checksum(line.substr(kDigits)) != line.substr(0, kDigits))
      break;
    lines.emplace_back(line.substr(kDigits));
  }
  co_return lines;
}

env::Task<absl::Status> BankJournal::Begin(std::vector<std::string> lines) {
  // A start that died may have left one.
  absl::Status status = co_await env::Remove(env_.disk, kNewName);
  if (!status.ok() && !absl::IsNotFound(status)) co_return status;
  auto file =
      co_await env::Open(env_.disk, kNewName, env::Disk::OpenMode::kCreate);
  if (!file.ok()) co_return file.status();
  std::string text;
  for (const std::string& line : lines) text += Encode(line);
  end_ = text.size();
  status = co_await env::Write(**file, 0, Buffer::Take(std::move(text)),
                               env::Durability::kDurable);
  if (!status.ok()) co_return status;
  file->reset();
  status = co_await env::Rename(env_.disk, kNewName, kName);
  if (!status.ok()) co_return status;
  status = co_await env::SyncDirectory(env_.disk);
  if (!status.ok()) co_return status;
  file = co_await env::Open(env_.disk, kName, env::Disk::OpenMode::kExisting);
  if (!file.ok()) co_return file.status();
  file_ = *std::move(file);
  co_return absl::OkStatus();
}

env::Task<absl::Status> BankJournal::Run() {
  while (failure_.ok()) {
    while (waiting_.empty()) co_await changed_.Wait();
    const uint64_t number = appended_;
    const uint64_t offset = end_;
    end_ += waiting_.size();
    failure_ = co_await env::Write(
        *file_, offset, Buffer::Take(std::exchange(waiting_, "")), durability_);
    if (failure_.ok()) written_ = number;
    changed_.Notify();
  }
  co_return failure_;
}

env::Task<absl::Status> BankJournal::Append(std::string line) {
  if (!failure_.ok()) co_return failure_;
  waiting_ += Encode(line);
  const uint64_t number = ++appended_;
  changed_.Notify();
  while (failure_.ok() && written_ < number) co_await changed_.Wait();
  co_return failure_;
}
