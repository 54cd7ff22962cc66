#include "bench/processes.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace quorate::bench {
namespace {

TEST(ProcessesTest, Counter_OfSeveralLabels_IsSummedByItsWholeName) {
  const std::string page =
      "# TYPE writes_total counter\n"
      "writes_total{node=\"a b\"} 3\n"
      "writes_total{node=\"c\"} 4\n"
      "writes_total_of_something_else 100\n"
      "up 1\n";
  EXPECT_EQ(PrometheusSum(page, "writes_total").value(), 7);
  EXPECT_EQ(PrometheusSum(page, "up").value(), 1);
  EXPECT_EQ(PrometheusSum(page, "writes_total", "node=\"c\"").value(), 4);
}

TEST(ProcessesTest, Counter_WithoutSamples_IsAnErrorWithItsName) {
  const std::string page = "writes_total{node=\"c\"} 4\n";
  const absl::Status renamed = PrometheusSum(page, "writes").status();
  EXPECT_TRUE(absl::IsNotFound(renamed)) << renamed;
  EXPECT_EQ(renamed.message(), "there is no metric writes");
  const absl::Status of_another =
      PrometheusSum(page, "writes_total", "node=\"b\"").status();
  EXPECT_TRUE(absl::IsNotFound(of_another)) << of_another;
  EXPECT_EQ(of_another.message(),
            "there is no metric writes_total with node=\"b\"");
}

TEST(ProcessesTest, Folder_AtItsEnd_IsRemovedWithItsContents) {
  std::string path;
  {
    absl::StatusOr<ScratchFolder> folder =
        ScratchFolder::Create(testing::TempDir());
    ASSERT_TRUE(folder.ok()) << folder.status();
    path = folder->path();
    std::ofstream(folder->Sub("a") + "/file") << "x";
    EXPECT_TRUE(std::filesystem::exists(path + "/a/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ProcessesTest, Program_ThatIsNotThere_IsNotFound) {
  absl::StatusOr<ServerProcess> child =
      ServerProcess::Start({"no-such-program"}, "/dev/null");
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
}

TEST(ProcessesTest, Program_ThatEnds_IsNoticedWithItsOutput) {
  const std::string log = testing::TempDir() + "/log";
  absl::StatusOr<ServerProcess> child =
      ServerProcess::Start({"sh", "-c", "echo last words >&2"}, log);
  ASSERT_TRUE(child.ok()) << child.status();
  while (child->Running()) {
  }
  EXPECT_EQ(child->LogTail(), "last words\n");
}

TEST(ProcessesTest, FreePorts_OfOneCall_AreDistinct) {
  const std::vector<uint16_t> ports = FreePorts(2);
  EXPECT_NE(ports[0], ports[1]);
}

}  // namespace
}  // namespace quorate::bench
