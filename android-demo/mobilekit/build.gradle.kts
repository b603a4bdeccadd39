// The library alone: the JVM's standard library, kotlinx.serialization, and nothing of Android.
plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(17)
    // dev.mobilekit.testing, which the app's tests compile as well
    sourceSets["test"].kotlin.srcDir("src/testing/kotlin")
}

dependencies {
    api(libs.kotlinx.serialization.json)
    testImplementation(libs.junit.jupiter)
    testRuntimeOnly(libs.junit.platform.launcher)
}

tasks.test {
    useJUnitPlatform()
    System.getProperty("mobilekit.bundles")?.let { systemProperty("mobilekit.bundles", it) }
}
