/// The test vectors of FIPS 180-4, and pieces of every length.
import Foundation
import MobileKitRuntime
import XCTest

final class Sha256Tests: XCTestCase {
    func testStandardVectors() {
        XCTAssertEqual(
            Sha256.hex(of: Data()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )
        XCTAssertEqual(
            Sha256.hex(of: Data("abc".utf8)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        XCTAssertEqual(
            Sha256.hex(of: Data("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        )
        XCTAssertEqual(
            Sha256.hex(of: Data(repeating: UInt8(ascii: "a"), count: 1_000_000)),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        )
    }

    func testPiecesGiveTheHashOfTheWhole() {
        let whole = Data((0..<200).map { UInt8($0) })
        for cut in 0...200 {
            var hash = Sha256()
            hash.update(whole.prefix(cut))
            hash.update(whole.suffix(200 - cut))
            XCTAssertEqual(hash.hex(), Sha256.hex(of: whole), "cut at \(cut)")
        }
    }
}
