#!/bin/sh
# Fetches ExecuTorch's Android classes to .executorch/classes.jar, for app/pom.xml to compile against. Gradle needs none
# of this: it takes the AAR itself.
#
# First the AAR of the version that gradle/libs.versions.toml pins, by mvn. Where it cannot be had, the classes.jar that
# the npm package react-native-executorch (MIT) ships with its own build of ExecuTorch, by npm: an older release's Java
# API, of which the app uses what the Kotlin one of today has as well. Writes what it is to .executorch/from.txt.
set -eu
cd "$(dirname "$0")"
version=$(sed -n 's/^executorch = "\(.*\)"/\1/p' gradle/libs.versions.toml)
package=react-native-executorch@0.8.5
place=$PWD/.executorch
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -f "$place/classes.jar" ] && [ -f "$place/from.txt" ]; then
    cat "$place/from.txt"
    exit 0
fi
mkdir -p "$place"
if mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="org.pytorch:executorch-android:$version:aar" -DoutputDirectory="$scratch" >/dev/null 2>&1; then
    (cd "$scratch" && jar xf "executorch-android-$version.aar" classes.jar)
    from="org.pytorch:executorch-android:$version"
elif command -v npm >/dev/null && (cd "$scratch" && npm pack --silent "$package" >/dev/null 2>&1); then
    tar -xzf "$scratch"/react-native-executorch-*.tgz -C "$scratch" package/android/libs/classes.jar
    mv "$scratch/package/android/libs/classes.jar" "$scratch/classes.jar"
    from="the npm package $package (no AAR of $version could be fetched)"
else
    echo "neither org.pytorch:executorch-android:$version nor $package can be fetched: compiling against our own declarations" >&2
    exit 0
fi
mv "$scratch/classes.jar" "$place/classes.jar"
rm -rf app/target/classes  # what was compiled against something else
echo "ExecuTorch's classes are those of $from" | tee "$place/from.txt"
