// Reading a file larger than one read, around a page that cannot be read.
#include "raft/log/files/segment_reader.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "sim/testing/test_env.h"

namespace quorate::raft {
namespace {

class SegmentReaderTest : public ::testing::Test {
 protected:
  std::unique_ptr<env::File> Open() {
    std::unique_ptr<env::File> file;
    const env::Pending opened = test_.env().disk.Open(
        "f", env::Disk::OpenMode::kCreateIfAbsent,
        [&](absl::StatusOr<std::unique_ptr<env::File>> result) {
          file = *std::move(result);
        });
    test_.world().RunUntilIdle();
    return file;
  }
  void Fill(const std::string& bytes) {
    const std::unique_ptr<env::File> file = Open();
    for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
      const Buffer piece = Buffer::Copy(bytes.substr(at, 1 << 20));
      const env::Pending written = file->Write(
          at, absl::MakeConstSpan(&piece, 1), env::Durability::kLater,
          [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
      test_.world().RunUntilIdle();
    }
  }
  SegmentReader::Result Read(uint64_t limit) {
    absl::StatusOr<SegmentReader::Result> result =
        absl::UnknownError("no answer");
    const SegmentReader reader(Open(), limit,
                               [&](absl::StatusOr<SegmentReader::Result> read) {
                                 result = std::move(read);
                               });
    test_.world().RunUntilIdle();
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : SegmentReader::Result();
  }

  sim::TestEnv test_{1};
};

// Bytes that differ from page to page.
std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(i / kUnreadablePageBytes * 7 + i % 251);
  }
  return bytes;
}

TEST_F(SegmentReaderTest, LargeFile_IsReadUpToTheLimit) {
  const std::string bytes = Pattern(20'000'000);
  Fill(bytes);
  EXPECT_TRUE(Read(bytes.size()).bytes.view() == bytes);
  EXPECT_TRUE(Read(bytes.size() + 5).bytes.view() == bytes);
  EXPECT_TRUE(Read(11'111'111).bytes.view() == bytes.substr(0, 11'111'111));
  EXPECT_EQ(Read(0).bytes.size(), 1u);
}

// Several reads and pages make up the file.
TEST_F(SegmentReaderTest, PageCannotBeRead_TheOthersAreJoined) {
  std::string bytes = Pattern(20'000'000);
  Fill(bytes);
  for (const uint64_t place :
       {uint64_t{0}, uint64_t{8} << 20, uint64_t{9} << 20,
        uint64_t{4882} * kUnreadablePageBytes}) {
    SCOPED_TRACE(place);
    test_.world().MakeUnreadable(test_.machine(), "f", place + 100, 512);
    const SegmentReader::Result result = Read(bytes.size());
    ASSERT_EQ(result.unreadable.size(), 1u);
    EXPECT_EQ(result.unreadable[0], place);
    EXPECT_FALSE(result.error.ok());
    std::string expected = bytes;
    const size_t gone =
        std::min<size_t>(kUnreadablePageBytes, bytes.size() - place);
    expected.replace(place, gone, gone, '\0');
    EXPECT_TRUE(result.bytes.view() == expected);
  }
}

}  // namespace
}  // namespace quorate::raft
