// Shards of given bytes, written as the engine writes them but without its threads.
#pragma once

#include <algorithm>
#include <stdexcept>

#include "checkpoint/format/shard_image.h"

namespace holdfast {

struct PieceBytes {
  TensorInfo tensor;
  Slice slice;
  std::span<const std::byte> data;
};

inline ShardRecord write_shard(FileSystem& files, const Path& path, std::span<const PieceBytes> pieces, int rank = 0, int world_size = 1,
                               const std::function<void()>& half_way = {}) {
  std::vector<ShardPiece> layout;
  for (const PieceBytes& piece : pieces) layout.push_back({piece.tensor, piece.slice});
  const ShardImage image(lay_out_shard(std::move(layout), rank, world_size));
  std::vector<std::vector<Digest>> blocks;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (image.place(i).size() != pieces[i].data.size()) throw std::invalid_argument("the data of " + pieces[i].tensor.name);
    std::copy(pieces[i].data.begin(), pieces[i].data.end(), image.place(i).begin());
    blocks.push_back(image.digests(i));
  }
  write_image(files, path, image, {.wait_until_staged = {}, .half_way = half_way});
  return record_of(image.layout(), path.filename().string(), std::move(blocks));
}

}  // namespace holdfast
